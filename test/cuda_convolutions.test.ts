// Convolutions of the sizes that go to the large tiles of the tensor cores, against the CPU's on the same numbers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  conv1d,
  conv2d,
  type Conv2dOptions,
  convTranspose2d,
  cudaIsAvailable,
  type DeviceName,
  type DType,
  int8Conv2d,
  type Int8Conv2dOptions,
  setWinograd,
  type Tensor,
  tensor,
} from '../lib/index.ts';

/** Multiples of 1/8 in [-1, 1), one in four of them not 0: sums of many products stay exact in f32. */
function values(shape: number[], seed: number, device: DeviceName, dtype: DType): Tensor {
  let state = seed;
  const numel = shape.reduce((x, y) => x * y, 1);
  const numbers = Float32Array.from({ length: numel }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 30 ? 0 : ((state >>> 8) % 16) / 8 - 1;
  });
  return tensor(numbers, { device }).cast(dtype).reshape(shape);
}

const raw = async (t: Tensor) => Buffer.from(((await t.cast('f32').data()) as Float32Array).buffer);

/** The results of `compute` on CUDA are those of the CPU, bit by bit. */
async function expectEqual(compute: (device: DeviceName) => Tensor[]): Promise<void> {
  const [expected, given] = [compute('cpu'), compute('cuda')];
  for (const [i, y] of expected.entries()) {
    expect(given[i]!.shape).toEqual(y.shape);
    expect((await raw(given[i]!)).equals(await raw(y)), `result ${i}`).toBe(true);
  }
}

/** y and the gradients of x and weight. */
function withGradients(dtype: DType, x: number[], weight: number[], run: (x: Tensor, weight: Tensor) => Tensor) {
  return (device: DeviceName): Tensor[] => {
    const inputs = [values(x, 5, device, dtype), values(weight, 6, device, dtype)] as const;
    for (const input of inputs) input.requiresGrad_();
    const y = run(...inputs);
    y.mul(values(y.shape as number[], 7, device, dtype))
      .sum()
      .backward();
    return [y, inputs[0].grad as Tensor, inputs[1].grad as Tensor];
  };
}

beforeAll(() => setWinograd(false)); // whose sums are not exact
afterAll(() => setWinograd(true));

describe.skipIf(!cudaIsAvailable())('large convolutions on CUDA', () => {
  const cases: { x: number[]; weight: number[]; options?: Conv2dOptions }[] = [
    { x: [6, 128, 33, 32], weight: [128, 128, 2, 1] },
    { x: [6, 64, 24, 25], weight: [96, 64, 3, 3], options: { padding: 1 } },
    // Strides, whose input gradient comes in phases, some of them without a tap; taps far apart; groups.
    { x: [8, 128, 56, 57], weight: [64, 128, 3, 2], options: { stride: 2, padding: 1 } },
    { x: [8, 128, 57, 56], weight: [64, 128, 1, 1], options: { stride: 2 } },
    { x: [12, 128, 26, 29], weight: [64, 128, 2, 2], options: { stride: [2, 1], dilation: [2, 3] } },
    { x: [5, 128, 26, 27], weight: [128, 64, 3, 3], options: { dilation: 2, padding: 2, groups: 2 } },
    // Channels that end within a stage, zeros on one side alone.
    { x: [7, 52, 23, 22], weight: [80, 52, 3, 3], options: { padding: [2, 0, 1, 3] } },
    // Images of an odd size, and of few channels, which are gathered.
    { x: [32, 192, 7, 7], weight: [512, 192, 1, 1] },
    { x: [7, 24, 25, 23], weight: [80, 24, 3, 3], options: { padding: 1 } },
    { x: [3, 3, 37, 38], weight: [64, 3, 7, 7], options: { padding: 3, stride: 2 } },
  ];
  test.for(cases.flatMap((c) => (['bf16', 'f16'] as const).map((dtype) => ({ ...c, dtype }))))(
    '$dtype $x by $weight $options, with both gradients',
    ({ dtype, x, weight, options }) => expectEqual(withGradients(dtype, x, weight, (a, b) => conv2d(a, b, options))),
  );

  test('conv1d and transposed convolutions', async () => {
    await expectEqual(
      withGradients('bf16', [9, 64, 800], [96, 64, 5], (x, weight) => conv1d(x, weight, { padding: 2 })),
    );
    for (const stride of [1, 2])
      await expectEqual(
        withGradients('f16', [5, 96, 26, 27], [96, 64, 3, 3], (x, weight) => convTranspose2d(x, weight, { stride })),
      );
  });

  test('views and the epilogue', () =>
    expectEqual((device) => {
      const make = (shape: number[], seed: number) => values(shape, seed, device, 'bf16');
      const x = make([64, 27, 9, 25], 5).transpose(0, 2).index(':', '1:27').transpose(1, 2); // (9, 64, 26, 25), strided
      const weight = make([130, 64, 3, 3], 6).index('2:100'); // (98, 64, 3, 3), offset
      const options = { bias: make([98], 7), residual: make([9, 98, 24, 23], 8), activation: 'relu' } as const;
      return [conv2d(x, weight, options), conv2d(x, weight, { ...options, activation: 'relu6', residual: null })];
    }));
});

type Byte = 'u8' | 'i8';

/** Bytes with both ends of their range. */
function bytes(shape: number[], seed: number, device: DeviceName, dtype: Byte): Tensor {
  let state = seed;
  const numel = shape.reduce((x, y) => x * y, 1);
  const numbers = Array.from({ length: numel }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) % 256) - (dtype === 'u8' ? 0 : 128);
  });
  return tensor(numbers, { dtype, device }).reshape(shape);
}

describe.skipIf(!cudaIsAvailable())('large convolutions of bytes on CUDA', () => {
  const shapes: { x: number[]; weight: number[]; options?: Int8Conv2dOptions }[] = [
    { x: [9, 64, 28, 27], weight: [130, 64, 3, 3], options: { padding: 1, stride: 2 } },
    { x: [13, 80, 15, 14], weight: [320, 40, 1, 5], options: { padding: [0, 3], groups: 2, dilation: [1, 2] } },
    // For the small tiles.
    { x: [2, 20, 9, 11], weight: [70, 20, 3, 2], options: { padding: [2, 0, 0, 1] } },
  ];
  const signs = (['u8', 'i8'] as const).flatMap((x) => (['u8', 'i8'] as const).map((weight) => [x, weight] as const));
  test.for(shapes.flatMap((shape) => signs.map((sign) => ({ ...shape, sign }))))(
    '$sign, $x by $weight $options',
    async ({ x, weight, options, sign }) => {
      const results = (['cpu', 'cuda'] as const).map((device) => {
        const inputs = [bytes(x, 3, device, sign[0]), bytes(weight, 4, device, sign[1])] as const;
        const whole = (numbers: number[]) => tensor(numbers, { dtype: 'i32', device });
        const perKernel = (step: number) => Array.from({ length: weight[0]! }, (_, i) => (i % 5) * step);
        const xZeroPoint = whole([sign[0] === 'u8' ? 120 : -3]);
        const scale = tensor(perKernel(2 ** -13), { device });
        const bias = whole(perKernel(1000));
        return [
          int8Conv2d(...inputs, options),
          int8Conv2d(...inputs, { ...options, xZeroPoint, bias, scale, dtype: 'u8', outZeroPoint: 7, relu: true }),
          int8Conv2d(...inputs, { ...options, xZeroPoint, weightZeroPoint: whole(perKernel(1)), scale }),
        ];
      });
      const own = async (y: Tensor) => Buffer.from(((await y.data()) as Uint8Array).buffer);
      for (const [i, expected] of results[0]!.entries())
        expect((await own(results[1]![i]!)).equals(await own(expected)), `result ${i}`).toBe(true);
    },
  );
});
