// Convolutions over sequences and transposed ones: shapes, definition by the inner product, errors.
import {
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  Generator,
  grad,
  nn,
  normal,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { describe, expect, test } from 'vitest';

const options = { dtype: 'f64', generator: new Generator(3) } as const;
const value = (x: Tensor): number => x.sum().itemSync();

describe('convolution over sequences', () => {
  const x = normal([2, 4, 9], 0, 1, options);
  const weight = normal([6, 2, 3], 0, 1, options);

  test('is that of images of one row', () => {
    const settings = { stride: 2, padding: 1, dilation: 2, groups: 2 };
    const y = conv1d(x, weight, settings);
    const rows = conv2d(x.reshape(2, 4, 1, 9), weight.reshape(6, 2, 1, 3), {
      stride: [1, 2],
      padding: [0, 1],
      dilation: [1, 2],
      groups: 2,
    });
    expect(y.shape).toEqual([2, 6, 4]);
    expect(y.tolistSync()).toEqual(rows.reshape(2, 6, 4).tolistSync());
    expect(conv1d(x, weight, { padding: 'same', groups: 2 }).shape).toEqual([2, 6, 9]);
    expect(() => conv1d(x, weight, { padding: 'same', stride: 2, groups: 2 })).toThrow("padding 'same' needs stride 1");
    expect(() => conv1d(zeros([4, 9]), weight)).toThrow('conv1d: input must have 3 dimensions but has shape [4, 9]');
  });

  test('as a layer', () => {
    const layer = new nn.Conv1d(4, 6, 3, { padding: 'same', groups: 2 });
    expect(layer.forward(zeros([1, 4, 9])).shape).toEqual([1, 6, 9]);
    expect(layer.weight.shape).toEqual([6, 2, 3]);
    expect(`${layer}`).toBe('Conv1d(4, 6, kernelSize=3, padding=same, groups=2)');
  });
});

describe('transposed convolution', () => {
  // <conv(u), v> = <u, convTranspose(v)> for all u and v.
  test.each([
    [{}, 0],
    [{ stride: 2, padding: 1 }, 1],
    [{ stride: [2, 1], dilation: [1, 2], groups: 2 }, [1, 0]],
  ] as const)('is the adjoint of the convolution: %o', (settings, outputPadding) => {
    const groups = 'groups' in settings ? settings.groups : 1;
    const u = normal([2, 4, 8, 7], 0, 1, options);
    const weight = normal([6, 4 / groups, 3, 2], 0, 1, options);
    const forward = conv2d(u, weight, settings);
    const v = normal(forward.shape, 0, 1, options);
    const back = convTranspose2d(v, weight, { ...settings, outputPadding });
    expect(back.shape.slice(0, 2)).toEqual([2, 4]);
    const [h, w] = back.shape.slice(2) as [number, number];
    expect([h <= 8, w <= 7, h > 5, w > 4]).toEqual([true, true, true, true]);
    const padded = nn.functional.pad(back, [0, 7 - w, 0, 8 - h]);
    expect(value(forward.mul(v))).toBeCloseTo(value(u.mul(padded)), 8);
  });

  test('has a bias and gradients', () => {
    const x = zeros([1, 1, 2, 2]).requiresGrad_();
    const weight = tensor([[[[1, 2]]]]).requiresGrad_();
    const bias = tensor([5]).requiresGrad_();
    const y = convTranspose2d(x, weight, { bias });
    expect(y.tolistSync()).toEqual([
      [
        [
          [5, 5, 5],
          [5, 5, 5],
        ],
      ],
    ]);
    const [dx, dbias] = grad(y.sum(), [x, bias]);
    expect([dx?.reshape(4).tolistSync(), dbias?.tolistSync()]).toEqual([[3, 3, 3, 3], [6]]);
  });

  test('as layers, over sequences too', () => {
    const layer = new nn.ConvTranspose2d(4, 6, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 });
    expect(layer.weight.shape).toEqual([4, 3, 3, 3]);
    expect(layer.forward(zeros([1, 4, 5, 6])).shape).toEqual([1, 6, 10, 12]);
    expect(`${layer}`).toBe('ConvTranspose2d(4, 6, kernelSize=[3, 3], stride=2, padding=1, outputPadding=1, groups=2)');
    expect(convTranspose1d(zeros([1, 4, 5]), zeros([4, 2, 3]), { stride: 2 }).shape).toEqual([1, 2, 11]);
  });

  test('says what does not fit', () => {
    const [x, weight] = [zeros([1, 3, 2, 2]), zeros([4, 2, 3, 3])];
    expect(() => convTranspose2d(x, weight)).toThrow(
      'conv_transpose2d: weight expects 4 input channels but input has 3 (input [1, 3, 2, 2], weight [4, 2, 3, 3])',
    );
    const fitting = zeros([1, 4, 2, 2]);
    expect(() => convTranspose2d(fitting, weight, { outputPadding: 1 })).toThrow('smaller than stride 1 or dilation 1');
    expect(() => convTranspose2d(fitting, weight, { padding: 2 })).toThrow('nothing is left');
    expect(() => convTranspose2d(fitting, weight, { bias: zeros([3]) })).toThrow('bias must be [2] but is [3]');
    expect(() => convTranspose2d(fitting, weight, { padding: 0.5 })).toThrow(
      expect.objectContaining({ name: 'TilegradError' }),
    );
  });
});
