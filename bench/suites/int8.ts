// Integer products and convolutions, the way to bytes and back, and products with pruned weights.
import { type DType, int8Matmul, matmul, tensor, tidy, transpose } from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

/** Bytes from `low` to `high`, the same at every run. */
function bytes(shape: number[], dtype: DType, low: number, high: number, device: Parameters<BenchRow['prepare']>[0]) {
  let state = 1;
  const values = Array.from({ length: shape.reduce((n, size) => n * size, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * (high - low + 1));
  });
  return tensor(values, { shape, dtype, device });
}

function product(
  m: number,
  k: number,
  n: number,
  { range = [-64, 63], transposed = false }: { range?: [number, number]; transposed?: boolean } = {},
): BenchRow {
  return {
    name: `u8 x s8 ${m}x${k} ${k}x${n}${transposed ? ' transposed' : ''}, weights ${range[0]} to ${range[1]}`,
    flops: 2 * m * k * n,
    bytes: m * k + k * n + 4 * m * n,
    prepare: (device) => {
      const a = bytes([m, k], 'u8', 0, 255, device);
      const b = bytes(transposed ? [n, k] : [k, n], 'i8', ...range, device);
      return () => tidy(() => void int8Matmul(a, transposed ? transpose(b) : b));
    },
  };
}

/** Our own f32 on the same shape: what the integer product must be faster than. */
function float(size: number): BenchRow {
  return {
    name: `f32 ${size}x${size} ${size}x${size}`,
    flops: 2 * size ** 3,
    bytes: 12 * size * size,
    prepare: (device) => {
      const [a, b] = [randomTensor([size, size], device), randomTensor([size, size], device)];
      return () => tidy(() => void matmul(a, b));
    },
  };
}

export const int8: BenchSuite = {
  name: 'int8',
  rows: () => [
    ...[512, 1024, 2048].flatMap((size) => [
      product(size, size, size),
      product(size, size, size, { range: [-128, 127] }),
      float(size),
    ]),
    product(1024, 1024, 1024, { transposed: true }),
    product(1, 1024, 1024, { transposed: true }),
    product(64, 1024, 1024, { transposed: true }),
  ],
};
