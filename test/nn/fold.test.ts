// unfold by its definition, and fold as its adjoint: <unfold(x), y> = <x, fold(y)>.
import { grad, nn, randn, type Tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const { fold, unfold } = nn.functional;
const f64 = { dtype: 'f64' } as const;

/** The elements under each tap of the kernel at each patch, zeros where that is outside. */
function definition(x: Tensor, kernel: number, { dilation = 1, padding = 0, stride = 1 }): number[][][] {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const data = x.dataSync() as Float64Array;
  const count = (size: number) => Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  return Array.from({ length: n }, (_, image) =>
    Array.from({ length: c * kernel * kernel }, (_, row) => {
      const [channel, tap] = [Math.floor(row / kernel ** 2), row % kernel ** 2];
      return Array.from({ length: count(h) * count(w) }, (_, patch) => {
        const i = Math.floor(patch / count(w)) * stride + Math.floor(tap / kernel) * dilation - padding;
        const j = (patch % count(w)) * stride + (tap % kernel) * dilation - padding;
        return i < 0 || j < 0 || i >= h || j >= w ? 0 : (data[((image * c + channel) * h + i) * w + j] as number);
      });
    }),
  );
}

describe.each([
  [3, {}],
  [2, { stride: 2 }],
  [3, { padding: 1, stride: 2 }],
  [2, { dilation: 2, padding: 1 }],
])('a kernel of %i with %j', (kernel, options) => {
  test('unfold takes the patches', () => {
    const x = randn([2, 3, 6, 5], f64);
    expect(unfold(x, kernel, options).tolistSync()).toEqual(definition(x, kernel, options));
  });

  test('fold is its gradient, and has one itself', async () => {
    const x = randn([2, 3, 6, 5], { ...f64, requiresGrad: true });
    const columns = unfold(x, kernel, options);
    const y = randn(columns.shape, { ...f64, requiresGrad: true });
    const folded = fold(y, [6, 5], kernel, options);
    const [dx] = grad(columns, [x], { gradOutputs: [y.detach()] });
    expect(await (dx as Tensor).sub(folded).abs().amax().item()).toBeLessThan(1e-12);
    const [dy] = grad(folded, [y], { gradOutputs: [x.detach()] });
    expect(await (dy as Tensor).tolist()).toEqual(await unfold(x, kernel, options).tolist());
  });
});

test.each([
  [() => unfold(zeros([3, 4, 4]), 2), 'unfold: input must have 4 dimensions but has shape [3, 4, 4]'],
  [() => unfold(zeros([1, 1, 2, 2]), 3), 'unfold: the kernel spans 3 but the padded image has 2'],
  [() => unfold(zeros([1, 1, 2, 2]), 0), 'unfold: kernelSize must be a whole number from 1 up, or two'],
  [() => fold(zeros([1, 4, 5]), [3, 3], 2), 'fold: input must have shape [N, C x 4, 4] but has [1, 4, 5]'],
  [() => fold(zeros([1, 3, 4]), [3, 3], 2), 'fold: input must have shape [N, C x 4, 4] but has [1, 3, 4]'],
])('a wrong call says so: %#', (call, text) => expect(call).toThrow(text));
