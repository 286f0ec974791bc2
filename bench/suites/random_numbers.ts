// Random numbers: filling tensors, dropout and permutations.
import {
  bernoulli,
  type Device,
  type DType,
  dropout,
  manualSeed,
  normal,
  randperm,
  type Tensor,
  tidy,
  uniform,
} from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

const count = 2 ** 22;

function row(
  name: string,
  bytes: number,
  draw: (device: Device) => () => Tensor,
  torch: Record<string, unknown>,
): BenchRow {
  return {
    name,
    bytes,
    prepare: (device) => {
      manualSeed(1);
      const make = draw(device);
      return () => tidy(() => void make());
    },
    torch: { kind: 'drawn', ...torch },
  };
}

function filled(name: string, dtype: DType, size: number, make: (dtype: DType, device: Device) => Tensor): BenchRow {
  return row(`${name} of ${count} ${dtype}`, size * count, (device) => () => make(dtype, device), {
    name,
    n: count,
    dtype,
  });
}

const rows = (): BenchRow[] => [
  filled('rand', 'f32', 4, (dtype, device) => uniform([count], 0, 1, { dtype, device })),
  filled('rand', 'f64', 8, (dtype, device) => uniform([count], 0, 1, { dtype, device })),
  filled('randn', 'f32', 4, (dtype, device) => normal([count], 0, 1, { dtype, device })),
  filled('randn', 'f64', 8, (dtype, device) => normal([count], 0, 1, { dtype, device })),
  filled('randn', 'bf16', 2, (dtype, device) => normal([count], 0, 1, { dtype, device })),
  filled('bernoulli', 'f32', 4, (dtype, device) => bernoulli(0.5, [count], { dtype, device })),
  row(
    `dropout of ${count} f32`,
    8 * count,
    (device) => {
      const x = randomTensor([count], device);
      return () => dropout(x, 0.5);
    },
    { name: 'dropout', n: count, dtype: 'f32' },
  ),
  ...[60_000, 2 ** 20].map((n) =>
    row(`randperm of ${n}`, 8 * n, (device) => () => randperm(n, { device }), { name: 'randperm', n, dtype: 'f32' }),
  ),
];

export const randomNumbers: BenchSuite = { name: 'random', rows };
