// Integer products and convolutions, the way to bytes and back, and products with pruned weights.
import {
  conv2d,
  type DType,
  int8Conv2dDynamic,
  int8Matmul,
  linear,
  magnitudeMask,
  matmul,
  quantizeLinear,
  sparseLinear,
  tensor,
  tidy,
  toSparseCsr,
  transpose,
  where,
} from 'tilegrad';
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

/** Products with a weight of which a share is zeros, kept without them or dense. */
function pruned(rows: number, size: number, zeros: number, compact: boolean): BenchRow {
  return {
    name: `${compact ? 'csr' : 'dense'} linear ${rows}x${size} -> ${size}, ${100 * zeros} % zeros`,
    flops: 2 * rows * size * size * (compact ? 1 - zeros : 1),
    bytes: 4 * (size * size * (compact ? 2 * (1 - zeros) : 1) + 2 * rows * size),
    prepare: (device) => {
      const x = randomTensor([rows, size], device);
      const dense = randomTensor([size, size], device);
      const mask = magnitudeMask(dense, Math.round(zeros * size * size));
      const weight = where(mask, dense, 0);
      if (!compact) return () => tidy(() => void linear(x, weight));
      const kept = toSparseCsr(weight);
      return () => tidy(() => void sparseLinear(x, kept));
    },
  };
}

/** The convolutions and the largest layer of LeNet-5, in floats and with weights of 8 bits. */
function lenetLayer(batch: number, channels: number, kernels: number, size: number, quantised: boolean): BenchRow {
  return {
    name: `${quantised ? 'dynamic int8' : 'f32'} conv2d ${batch}x${channels}x${size}x${size} -> ${kernels} 5x5`,
    flops: 2 * batch * kernels * channels * 25 * (size - 4) ** 2,
    prepare: (device) => {
      const x = randomTensor([batch, channels, size, size], device);
      const w = randomTensor([kernels, channels, 5, 5], device);
      const b = randomTensor([kernels], device);
      if (!quantised) return () => tidy(() => void conv2d(x, w, { bias: b }));
      const [levels, scale] = [quantizeLinear(w, 1 / 32, 0, { dtype: 'i8' }), tensor(1 / 32)];
      return () => tidy(() => void int8Conv2dDynamic(x, levels, scale, b));
    },
  };
}

const both = [false, true] as const;

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
    ...[1, 64].flatMap((rows) => [
      pruned(rows, 1024, 0.8, false),
      ...[0.8, 0.9, 0.95].map((zeros) => pruned(rows, 1024, zeros, true)),
    ]),
    ...[1, 64].flatMap((batch) => both.map((quantised) => lenetLayer(batch, 1, 6, 28, quantised))),
    ...[1, 64].flatMap((batch) => both.map((quantised) => lenetLayer(batch, 6, 16, 12, quantised))),
  ],
};
