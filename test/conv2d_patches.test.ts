// Convolutions of narrow images, input gradients under a stride or of few pixels and weight gradients of many filters are
// products over patches: beside sums as they are defined.
import { conv2d, getNumThreads, grad, manualSeed, randn, setNumThreads, type Tensor } from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const threads = getNumThreads();
afterEach(() => setNumThreads(threads));

type Dtype = 'f32' | 'f64';
interface Case {
  x: [n: number, c: number, h: number, w: number];
  kernels: [k: number, r: number, s: number];
  stride?: [number, number];
  padding?: [top: number, bottom: number, left: number, right: number];
  dilation?: [number, number];
  groups?: number;
}

const cases: readonly Case[] = [
  { x: [9, 24, 7, 7], kernels: [40, 3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { x: [8, 80, 8, 8], kernels: [36, 4, 4], stride: [2, 2], padding: [1, 1, 1, 1] },
  { x: [10, 66, 9, 8], kernels: [33, 1, 1], stride: [2, 2] },
  { x: [8, 40, 5, 17], kernels: [34, 1, 7], padding: [0, 0, 3, 3] },
  { x: [8, 48, 11, 10], kernels: [70, 3, 3], padding: [2, 2, 2, 2], dilation: [2, 2], groups: 2 },
  { x: [8, 20, 9, 9], kernels: [32, 2, 3], padding: [0, 1, 2, 0] },
  { x: [3, 18, 11, 13], kernels: [20, 5, 3], stride: [3, 2], padding: [2, 0, 1, 2], dilation: [1, 2] },
  { x: [3, 16, 10, 7], kernels: [12, 3, 2], stride: [1, 4], groups: 2 },
  { x: [2, 10, 3, 2], kernels: [8, 2, 1], stride: [4, 3], padding: [1, 1, 0, 0] },
  { x: [1, 130, 1, 1200], kernels: [40, 1, 3], stride: [1, 2], padding: [0, 0, 1, 1] },
  { x: [9, 24, 7, 7], kernels: [136, 3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { x: [2, 22, 13, 12], kernels: [260, 5, 3], stride: [2, 1], padding: [2, 1, 0, 1], groups: 2, dilation: [1, 2] },
  { x: [5, 20, 9, 9], kernels: [131, 2, 3] },
  { x: [12, 6, 17, 15], kernels: [128, 2, 3], padding: [1, 0, 2, 0] },
  { x: [1, 70, 6, 6], kernels: [65, 1, 1], stride: [2, 2] },
  { x: [2, 60, 5, 4], kernels: [256, 3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { x: [3, 128, 5, 4], kernels: [512, 3, 2], padding: [1, 0, 1, 0], dilation: [1, 2], groups: 2 },
  { x: [1, 300, 7, 7], kernels: [500, 1, 1] },
  { x: [17, 64, 1, 2], kernels: [230, 3, 3], padding: [1, 1, 1, 1] },
];

interface Sums {
  y: Float64Array;
  dx: Float64Array;
  dw: Float64Array;
}

function sums(given: Case, x: Tensor, weight: Tensor, dy: Tensor): Sums {
  const [n, c, h, w] = given.x;
  const [k, r, s] = given.kernels;
  const { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = given;
  const [, , p, q] = dy.shape as [number, number, number, number];
  const [xs, ws, dys] = [x, weight, dy].map((t) => t.dataSync()) as [Float64Array, Float64Array, Float64Array];
  const found = {
    y: new Float64Array(n * k * p * q),
    dx: new Float64Array(n * c * h * w),
    dw: new Float64Array(ws.length),
  };
  const [filters, channels] = [k / groups, c / groups];
  for (let at = 0; at < n * k * p * q; at++) {
    const [col, row, f, image] = [
      at % q,
      Math.floor(at / q) % p,
      Math.floor(at / p / q) % k,
      Math.floor(at / p / q / k),
    ];
    const first = Math.floor(f / filters) * channels;
    for (let tap = 0; tap < channels * r * s; tap++) {
      const [b, a, channel] = [tap % s, Math.floor(tap / s) % r, Math.floor(tap / s / r)];
      const [i, j] = [row * stride[0] - padding[0] + a * dilation[0], col * stride[1] - padding[2] + b * dilation[1]];
      if (i < 0 || i >= h || j < 0 || j >= w) continue;
      const from = ((image * c + first + channel) * h + i) * w + j;
      const factor = ws[f * channels * r * s + tap] as number;
      (found.y[at] as number) += (xs[from] as number) * factor;
      (found.dx[from] as number) += (dys[at] as number) * factor;
      (found.dw[f * channels * r * s + tap] as number) += (dys[at] as number) * (xs[from] as number);
    }
  }
  return found;
}

function run(given: Case, dtype: Dtype): Tensor[] {
  manualSeed(given.x[1]);
  const normal = (shape: readonly number[]): Tensor => randn(shape, { dtype, device: 'cpu' });
  const { stride, padding, dilation, groups = 1 } = given;
  const [k, r, s] = given.kernels;
  const [x, weight] = [normal(given.x), normal([k, given.x[1] / groups, r, s])];
  x.requiresGrad = true;
  weight.requiresGrad = true;
  const y = conv2d(x, weight, { stride, padding, dilation, groups });
  const dy = normal(y.shape);
  return [x, weight, dy, y, ...(grad(y, [x, weight], { gradOutputs: [dy] }) as Tensor[])];
}

function expectClose(actual: Tensor, expected: Float64Array, dtype: Dtype): void {
  const values = actual.dataSync() as Float32Array;
  expect(values.length).toBe(expected.length);
  const largest = expected.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  const error = expected.reduce((most, y, i) => Math.max(most, Math.abs(y - (values[i] as number))), 0);
  expect(error).toBeLessThan((dtype === 'f32' ? 2e-6 : 1e-14) * largest);
}

describe.each(['f32', 'f64'] as const)('conv2d by patches, %s', (dtype) => {
  test.each(cases)('$x, kernels $kernels, stride $stride, groups $groups', (given) => {
    const [x, weight, dy, y, dx, dw] = run(given, dtype) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    const expected = sums(given, x, weight, dy);
    expectClose(y, expected.y, dtype);
    expectClose(dx, expected.dx, dtype);
    expectClose(dw, expected.dw, dtype);
  });
});

test.each([...cases.slice(0, 5), ...cases.slice(10)])(
  '$x, kernels $kernels: the same bits at any number of threads',
  (given) => {
    const all = [1, 2, 3].map((count) => {
      setNumThreads(count);
      return run(given, 'f32').map((t) => t.dataSync().slice());
    });
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
  },
);

test('bias, residual and activation behind patches', () => {
  manualSeed(3);
  const device = 'cpu';
  const [x, weight] = [randn([9, 32, 7, 7], { device }), randn([40, 32, 3, 3], { device })];
  const bias = randn([40], { device });
  const settings = { stride: 2, padding: 1 };
  const plain = conv2d(x, weight, settings);
  const residual = randn(plain.shape, { device });
  const sum = plain.add(bias.reshape([1, -1, 1, 1]));
  const close = (actual: Tensor, expected: Tensor): void =>
    expectClose(actual, Float64Array.from(expected.dataSync() as Float32Array), 'f32');
  close(conv2d(x, weight, { ...settings, bias, activation: 'relu' }), sum.clamp(0, Number.POSITIVE_INFINITY));
  close(conv2d(x, weight, { ...settings, bias, residual, activation: 'relu6' }), sum.add(residual).clamp(0, 6));
});
