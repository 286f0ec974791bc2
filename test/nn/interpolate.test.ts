// Values by hand, and the gradient by its sum: the shares of an element add up to what it is worth in the output.
import { arange, grad, nn, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const { interpolate } = nn.functional;
const row = (values: number[]) => tensor(values, { shape: [1, 1, values.length], dtype: 'f64' });

describe('interpolate', () => {
  test.each([
    [{ size: 4 }, [1, 1, 2, 2]],
    [{ size: 3, mode: 'nearest-exact' }, [1, 2, 2]],
    [{ size: 4, mode: 'linear' }, [1, 1.25, 1.75, 2]],
    [{ size: 3, mode: 'linear', alignCorners: true }, [1, 1.5, 2]],
    [{ scaleFactor: 0.5, mode: 'linear' }, [1.5]],
  ] as const)('%j of [1, 2]', (options, expected) => {
    expect(
      interpolate(row([1, 2]), options)
        .reshape(-1)
        .tolistSync(),
    ).toEqual(expected);
  });

  test('bilinear over images', () => {
    const x = arange(4, { dtype: 'f64' }).reshape([1, 1, 2, 2]);
    const y = interpolate(x, { size: [3, 3], mode: 'bilinear', alignCorners: true });
    expect(y.tolistSync()).toEqual([
      [
        [
          [0, 0.5, 1],
          [1, 1.5, 2],
          [2, 2.5, 3],
        ],
      ],
    ]);
  });

  test('integers by the nearest', () => {
    const x = tensor([1, 2, 3], { shape: [1, 1, 3], dtype: 'i32' });
    expect(interpolate(x, { size: 2 }).reshape(-1).tolistSync()).toEqual([1, 2]);
  });

  test('its gradient gives every element its share', () => {
    const x = zeros([1, 2, 5, 4], { dtype: 'f64', requiresGrad: true });
    const [dx] = grad(interpolate(x, { size: [7, 3], mode: 'bilinear' }).sum(), [x]);
    expect(dx?.shape).toEqual([1, 2, 5, 4]);
    expect(dx?.sum().itemSync()).toBeCloseTo(2 * 7 * 3, 12);
  });

  test.each([
    [() => interpolate(row([1]), {}), 'interpolate: takes either size or scaleFactor'],
    [() => interpolate(row([1]), { size: [1, 2] }), 'interpolate: size must be one number or 1 above 0'],
    [
      () => interpolate(row([1]), { size: 2, mode: 'bilinear' }),
      "interpolate: mode 'bilinear' does not take an input of shape [1, 1, 1]",
    ],
    [
      () => interpolate(row([1]), { size: 2, mode: 'cubic' as never }),
      "interpolate: mode must be nearest, nearest-exact, linear, bilinear or trilinear but is 'cubic'",
    ],
  ])('a wrong call says so: %#', (call, text) => expect(call).toThrow(text));
});
