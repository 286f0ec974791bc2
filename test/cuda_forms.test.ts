// Copies with the channels innermost that convolutions on CUDA keep with the buffer of an operand.
import { afterEach, describe, expect, test } from 'vitest';
import {
  assign,
  conv2d,
  cudaIsAvailable,
  device,
  type DType,
  int8Conv2d,
  memory,
  noGrad,
  optim,
  randn,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../lib/index.ts';

describe.skipIf(!cudaIsAvailable())('copies that convolutions on CUDA keep', () => {
  const place = cudaIsAvailable() ? device('cuda') : device('cpu');
  const packed = (): number => memory(place).packedBytes;
  const make = (shape: number[], dtype: DType = 'f16'): Tensor =>
    tidy(() => randn(shape, { device: place }).cast(dtype));
  const bits = async (x: Tensor) => Buffer.from(((await x.cast('f32').data()) as Float32Array).slice().buffer);
  /** Of new tensors, of which nothing is kept yet. */
  const once = (x: Tensor, weight: Tensor) => tidy(() => noGrad(() => conv2d(x.add(0), weight.add(0), { padding: 1 })));
  const convolve = (x: Tensor, weight: Tensor) => noGrad(() => conv2d(x, weight, { padding: 1 }));

  test('serve the next call, and go with their tensor', async () => {
    const before = packed();
    const x = make([2, 16, 9, 8]);
    const weight = make([24, 16, 3, 3]);
    const expected = await bits(once(x, weight));
    expect((await bits(convolve(x, weight))).equals(expected)).toBe(true);
    const kept = packed();
    expect(kept - before).toBeGreaterThanOrEqual(2 * (x.numel + weight.numel));
    expect((await bits(convolve(x, weight))).equals(expected)).toBe(true);
    expect(packed()).toBe(kept);
    x.dispose();
    expect(packed()).toBeLessThan(kept);
    weight.dispose();
    expect(packed()).toBe(before);
  });

  test('are dropped when their tensor is written', async () => {
    const x = make([2, 16, 9, 8]);
    const weight = make([24, 16, 3, 3]);
    convolve(x, weight);
    const kept = packed();
    for (const target of [weight, x]) {
      assign(target, make(target.shape as number[]));
      expect(packed()).toBeLessThan(kept);
      expect((await bits(convolve(x, weight))).equals(await bits(once(x, weight)))).toBe(true);
      expect(packed()).toBe(kept);
    }
    const trained = make([24, 16, 3, 3]).requiresGrad_();
    const optimizer = new optim.SGD([trained], { lr: 0.5 });
    conv2d(x, trained, { padding: 1 }).sum().backward();
    optimizer.step();
    expect((await bits(convolve(x, trained))).equals(await bits(once(x, trained)))).toBe(true);
    for (const t of [x, weight, trained]) t.dispose();
  });

  test('are shared by forward and gradients', async () => {
    const before = packed();
    const [x, weight] = [make([2, 16, 9, 8]).requiresGrad_(), make([24, 16, 3, 3]).requiresGrad_()];
    const y = conv2d(x, weight, { padding: 1 });
    const forward = packed();
    y.mul(make([2, 24, 9, 8]))
      .sum()
      .backward();
    await place.sync();
    // The gradient asks for the weight the other way round and for nothing more of x; that of the output is gone.
    expect(packed() - forward).toBeGreaterThan(0);
    expect(packed() - forward).toBeLessThan(2 * forward);
    for (const t of [x, weight, y]) t.dispose();
    expect(packed()).toBe(before);
  });

  test('serve bytes, of which another sign is another copy', async () => {
    const numbers = Array.from({ length: 3 * 16 * 6 * 5 }, (_, i) => (i * 37) % 128);
    const [x, weight] = [
      tensor(numbers, { dtype: 'u8', device: place }).reshape([3, 16, 6, 5]),
      zeros([8, 16, 2, 2], { dtype: 'i8', device: place }),
    ];
    assign(weight, tensor(numbers.slice(0, 512), { dtype: 'i8', device: place }).reshape([8, 16, 2, 2]));
    const call = () => int8Conv2d(x, weight).data();
    const first = await call();
    const kept = packed();
    expect(await call()).toEqual(first);
    expect(packed()).toBe(kept);
  });

  test('are none of strided inputs', () => {
    const x = make([2, 9, 8, 16]).transpose(1, 3);
    const weight = make([24, 16, 3, 3]);
    convolve(x, weight);
    const kept = packed();
    convolve(x, weight);
    expect(packed()).toBe(kept);
  });

  describe('under pressure', () => {
    const limit = memory(place).limitBytes;
    afterEach(() => place.setMemoryLimit(limit));

    test('give way to tensors, and to trimMemory', async () => {
      const x = make([2, 16, 33, 32]);
      const weight = make([24, 16, 3, 3]);
      const expected = await bits(convolve(x, weight));
      expect(packed()).toBeGreaterThan(0);
      place.trimMemory();
      expect(packed()).toBe(0);
      convolve(x, weight).dispose();
      const { liveBytes } = memory(place);
      expect(packed()).toBeGreaterThan(0);
      place.trimMemory();
      place.setMemoryLimit(liveBytes + (1 << 20));
      convolve(x, weight).dispose();
      expect(packed()).toBeGreaterThan(0);
      const large = zeros([(1 << 20) - (64 << 10)], { dtype: 'u8', device: place });
      expect(packed()).toBe(0);
      large.dispose();
      expect((await bits(convolve(x, weight))).equals(expected)).toBe(true);
    });

    test('are a quarter of the limit at most', async () => {
      place.trimMemory();
      const x = make([2, 16, 33, 32]);
      const weight = make([24, 16, 3, 3]);
      const expected = await bits(convolve(x, weight));
      place.trimMemory();
      place.setMemoryLimit(memory(place).liveBytes + (1 << 20));
      const { limitBytes } = memory(place);
      for (const size of [64, 65, 66, 67]) convolve(make([2, 16, size, 32]), weight).dispose();
      expect(packed()).toBeLessThanOrEqual(limitBytes / 4);
      expect((await bits(convolve(x, weight))).equals(expected)).toBe(true);
    });
  });
});
