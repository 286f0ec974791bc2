// Random numbers: the generator against published vectors, the distributions by their statistics, the bits for ever.
import { createHash } from 'node:crypto';
import {
  bernoulli,
  type DType,
  defaultGenerator,
  dropout,
  Generator,
  getNumThreads,
  manualSeed,
  normal,
  ones,
  rand,
  randint,
  randn,
  randperm,
  setNumThreads,
  type Tensor,
  uniform,
} from 'tilegrad';
import { describe, expect, test } from 'vitest';
import { philox } from './support/philox.ts';

const hex = (words: readonly (number | bigint)[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

test('Philox4x32-10 gives the known answers of Random123', () => {
  const ones32 = 0xffffffff;
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  expect(hex(philox([ones32, ones32, ones32, ones32], [ones32, ones32]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
  expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
  const words = randint(0, 2 ** 32, [64], { generator: new Generator(0) }).dataSync();
  expect(hex([0, 16, 32, 48].map((i) => words[i] as bigint))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
});

const digest = (x: Tensor) =>
  createHash('sha256').update(new Uint8Array(x.dataSync().buffer)).digest('hex').slice(0, 16);

/** What seed 42 gave when these tests were written. */
const golden: Record<string, string> = {
  'uniform f32': '681d810626d10312',
  'normal f32': 'b0eb88091b22dd92',
  'uniform f64': '3d7af6689b43531f',
  'normal f64': '1f6ba7c229da062c',
  'uniform f16': '3ed401b30f401a35',
  'normal f16': '4164246446fba74a',
  'uniform bf16': '7d4afc0abd7fcf40',
  'normal bf16': '45f1589d61b6be1d',
  bernoulli: '2d1c218f17707136',
  randint: '80e92c52de7e87a9',
  'randint, wide': '41f43bd6c97f714c',
  randperm: '14a402c3df417a10',
  dropout: '401a8820a202ab6e',
};

describe('the bits of seed 42', () => {
  const of = (make: (options: { dtype: DType; generator: Generator }) => Tensor, dtype: DType) =>
    digest(make({ dtype, generator: new Generator(42) }));
  const made: Record<string, () => string> = {};
  for (const dtype of ['f32', 'f64', 'f16', 'bf16'] as const) {
    made[`uniform ${dtype}`] = () => of((options) => uniform([1000], -1, 2, options), dtype);
    made[`normal ${dtype}`] = () => of((options) => normal([1000], 1, 2, options), dtype);
  }
  made.bernoulli = () => of((options) => bernoulli(0.3, [1000], options), 'u8');
  made.randint = () => of((options) => randint(-9, 100, [1000], options), 'i64');
  made['randint, wide'] = () => of((options) => randint(0, 1e9, [1000], options), 'i32');
  made.randperm = () => of((options) => randperm(1000, options), 'i64');
  made.dropout = () => of(({ generator }) => dropout(ones([1000]), 0.4, { generator }), 'f32');
  for (const [name, make] of Object.entries(made)) test(name, () => expect(make()).toBe(golden[name]));
});

/** The largest distance of the sample's distribution from `cdf`, times sqrt n: above 1.95 in one of 1000 samples. */
function kolmogorovSmirnov(sample: Float64Array, cdf: (x: number) => number): number {
  const sorted = sample.toSorted();
  const n = sorted.length;
  let most = 0;
  sorted.forEach((x, i) => {
    most = Math.max(most, Math.abs(cdf(x) - i / n), Math.abs(cdf(x) - (i + 1) / n));
  });
  return most * Math.sqrt(n);
}

/** The normal distribution function, by the series of erf. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 6) return x > 0 ? 1 : 0;
  let [term, sum] = [x, x];
  for (let k = 1; Math.abs(term) > 1e-16; k++) {
    term *= (-x * x) / (2 * k);
    sum += term / (2 * k + 1);
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}

function moments(x: Float64Array): { mean: number; variance: number; skew: number; kurtosis: number } {
  const n = x.length;
  const mean = x.reduce((a, b) => a + b, 0) / n;
  const central = (k: number) => x.reduce((a, b) => a + (b - mean) ** k, 0) / n;
  const variance = central(2);
  return { mean, variance, skew: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}

describe('statistics of 200,000 numbers', () => {
  const n = 200_000;
  const draw = (make: (options: { dtype: DType; generator: Generator }) => Tensor, dtype: DType) =>
    Float64Array.from(make({ dtype, generator: new Generator(7) }).dataSync() as Float32Array);
  // Five standard errors; the seed is fixed, so the outcome is too.
  const within = (value: number, expected: number, error: number) =>
    expect(Math.abs(value - expected)).toBeLessThan(5 * error);

  test.each(['f32', 'f64'] as const)('rand %s is uniform', (dtype) => {
    const x = draw((options) => rand([n], options), dtype);
    const { mean, variance } = moments(x);
    within(mean, 1 / 2, Math.sqrt(1 / 12 / n));
    within(variance, 1 / 12, Math.sqrt(1 / 180 / n));
    expect(kolmogorovSmirnov(x, (u) => u)).toBeLessThan(1.95);
    expect(x.every((u) => u >= 0 && u < 1)).toBe(true);
  });

  test.each(['f32', 'f64'] as const)('randn %s is normal', (dtype) => {
    const x = draw((options) => randn([n], options), dtype);
    const { mean, variance, skew, kurtosis } = moments(x);
    within(mean, 0, Math.sqrt(1 / n));
    within(variance, 1, Math.sqrt(2 / n));
    within(skew, 0, Math.sqrt(6 / n));
    within(kurtosis, 3, Math.sqrt(24 / n));
    expect(kolmogorovSmirnov(x, normalCdf)).toBeLessThan(1.95);
  });

  test.each(['f16', 'bf16'] as const)('rand and randn %s have the moments', (dtype) => {
    const u = moments(draw((options) => rand([n], options), dtype));
    const step = dtype === 'f16' ? 2 ** -11 : 2 ** -8;
    within(u.mean, 1 / 2 - step / 2, Math.sqrt(1 / 12 / n));
    const z = moments(draw((options) => randn([n], options), dtype));
    within(z.mean, 0, Math.sqrt(1 / n));
    within(z.variance, 1, Math.sqrt(2 / n));
  });

  test('neighbours are not correlated', () => {
    const x = draw((options) => randn([n], options), 'f32');
    for (const lag of [1, 2, 15, 16, 17, 32, 48, 64]) {
      let sum = 0;
      for (let i = lag; i < n; i++) sum += x[i]! * x[i - lag]!;
      within(sum / n, 0, Math.sqrt(1 / n));
    }
  });

  test('randint takes each number equally often', () => {
    const counts = new Float64Array(10);
    for (const value of draw((options) => randint(0, 10, [n], options), 'i32')) counts[value]! += 1;
    const chi2 = counts.reduce((sum, count) => sum + (count - n / 10) ** 2 / (n / 10), 0);
    expect(chi2).toBeLessThan(27.9); // one in 1000 for nine degrees of freedom
  });

  test('randperm takes every order of four equally often', () => {
    const counts = new Map<string, number>();
    const generator = new Generator(3);
    const times = 4800;
    for (let i = 0; i < times; i++) {
      const order = randperm(4, { generator }).dataSync().join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - times / 24) ** 2 / (times / 24), 0);
    expect(counts.size).toBe(24);
    expect(chi2).toBeLessThan(49.7); // one in 1000 for 23 degrees of freedom
  });

  test('dropout keeps the expected sum', () => {
    const x = draw(({ generator }) => dropout(ones([n]), 0.3, { generator }), 'f32');
    within(moments(x).mean, 1, Math.sqrt(0.3 / 0.7 / n));
  });
});

describe('Generator', () => {
  const next = (generator: Generator) => digest(randn([100], { generator }));

  test('gives the same numbers again from its saved state', () => {
    const generator = new Generator(5);
    next(generator);
    const state = JSON.parse(JSON.stringify(generator.getState()));
    const after = [next(generator), next(generator)];
    expect(new Set(after).size).toBe(2);
    const other = new Generator().setState(state);
    expect([next(other), next(other)]).toEqual(after);
  });

  test('takes seeds modulo 2^64 and tells them', () => {
    expect(new Generator(-1).initialSeed()).toBe(2n ** 64n - 1n);
    expect(next(new Generator(2n ** 64n + 3n))).toBe(next(new Generator(3)));
    expect(next(new Generator(2 ** 40 + 3))).not.toBe(next(new Generator(3)));
    expect(new Generator().initialSeed()).not.toBe(new Generator().initialSeed());
  });

  test('manualSeed seeds the default one', () => {
    expect(manualSeed(11)).toBe(defaultGenerator);
    const first = [digest(rand([10])), digest(randn([10]))];
    manualSeed(11);
    expect([digest(rand([10])), digest(randn([10]))]).toEqual(first);
  });

  test('numbers do not depend on the number of threads, nor on the length of the tensor', () => {
    const before = getNumThreads();
    const [one, three] = [1, 3].map((count) => {
      setNumThreads(count);
      return digest(randn([200_001], { generator: new Generator(1) }));
    });
    setNumThreads(before);
    expect(one).toBe(three);
    const long = rand([1000], { generator: new Generator(1) }).dataSync();
    expect(rand([77], { generator: new Generator(1) }).dataSync()).toEqual(long.slice(0, 77));
  });

  test('refuses what is no seed and no state', () => {
    expect(() => manualSeed(1.5)).toThrow('manualSeed: expects a whole number but got 1.5');
    const generator = new Generator(1);
    expect(() => generator.setState({ seed: '-1', offset: 0 })).toThrow('setState: seed must be a number below 2^64');
    expect(() => generator.setState({ seed: '1', offset: 3 })).toThrow('setState: offset must be a multiple of 16');
    expect(() => generator.setState(undefined as never)).toThrow('setState: seed');
  });
});
