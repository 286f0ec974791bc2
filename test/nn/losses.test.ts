// Losses and normalization against their definitions, written plainly.
import { Generator, grad, nn, normal, type Tensor, tensor, uniform } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const F = nn.functional;
const generator = new Generator(5);
const options = { dtype: 'f64', generator } as const;
const x = normal([3, 4], 0, 2, options);
const y = normal([3, 4], 0, 2, options);
const p = uniform([3, 4], 0.05, 0.95, options);
const q = uniform([3, 4], 0.05, 0.95, options);

const values = (t: Tensor): number[] => Array.from(t.dataSync(), Number);
const plain = (a: Tensor, b: Tensor, f: (a: number, b: number) => number): number[] => {
  const right = values(b);
  return values(a).map((left, i) => f(left, right[i] as number));
};
const mean = (list: number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

function expectClose(got: Tensor, expected: number | number[]): void {
  const list = [expected].flat();
  values(got).forEach((value, i) => {
    expect(value).toBeCloseTo(list[i] as number, 10);
  });
}

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const bce = (a: number, t: number): number => -(t * Math.log(a) + (1 - t) * Math.log(1 - a));
const huber = (d: number, delta: number): number =>
  Math.abs(d) < delta ? d ** 2 / 2 : delta * (Math.abs(d) - delta / 2);

describe('losses', () => {
  test.each<[string, Tensor, number[]]>([
    ['mse', F.mseLoss(x, y, { reduction: 'none' }), plain(x, y, (a, b) => (a - b) ** 2)],
    ['l1', F.l1Loss(x, y, { reduction: 'none' }), plain(x, y, (a, b) => Math.abs(a - b))],
    ['smooth l1', F.smoothL1Loss(x, y, { beta: 2, reduction: 'none' }), plain(x, y, (a, b) => huber(a - b, 2) / 2)],
    ['huber', F.huberLoss(x, y, { delta: 0.5, reduction: 'none' }), plain(x, y, (a, b) => huber(a - b, 0.5))],
    ['binary', F.binaryCrossEntropy(p, q, { reduction: 'none' }), plain(p, q, bce)],
    [
      'binary, weighted',
      F.binaryCrossEntropy(p, q, { weight: tensor([1, 2, 3, 4], { dtype: 'f64' }), reduction: 'none' }),
      plain(p, q, bce).map((loss, i) => loss * ((i % 4) + 1)),
    ],
    [
      'binary of logits',
      F.binaryCrossEntropyWithLogits(x, q, { reduction: 'none' }),
      plain(x, q, (a, t) => bce(sigmoid(a), t)),
    ],
    [
      'binary of logits, positives weighted',
      F.binaryCrossEntropyWithLogits(x, q, { posWeight: tensor([3], { dtype: 'f64' }), reduction: 'none' }),
      plain(x, q, (a, t) => -(3 * t * Math.log(sigmoid(a)) + (1 - t) * Math.log(1 - sigmoid(a)))),
    ],
    ['divergence', F.klDiv(x, q, { reduction: 'none' }), plain(x, q, (a, t) => t * (Math.log(t) - a))],
    [
      'divergence of logarithms',
      F.klDiv(x, y, { reduction: 'none', logTarget: true }),
      plain(x, y, (a, t) => Math.exp(t) * (t - a)),
    ],
    ['poisson', F.poissonNllLoss(x, q, { reduction: 'none' }), plain(x, q, (a, t) => Math.exp(a) - t * a)],
    [
      'poisson of rates',
      F.poissonNllLoss(p, q, { reduction: 'none', logInput: false, eps: 0.1 }),
      plain(p, q, (a, t) => a - t * Math.log(a + 0.1)),
    ],
  ])('%s', (_name, got, expected) => expectClose(got, expected));

  test('are reduced as asked', () => {
    const each = plain(x, y, (a, b) => (a - b) ** 2);
    expectClose(F.mseLoss(x, y), mean(each));
    expectClose(F.mseLoss(x, y, { reduction: 'sum' }), mean(each) * 12);
    const divergence = plain(x, q, (a, t) => t * (Math.log(t) - a));
    expectClose(F.klDiv(x, q, { reduction: 'batchmean' }), mean(divergence) * 4);
    expect(() => F.mseLoss(x, y, { reduction: 'avg' as never })).toThrow(
      "must be 'mean', 'sum' or 'none' but is 'avg'",
    );
  });

  test('stay finite where the sigmoid is 0 or 1, and where a target is 0', () => {
    const extreme = tensor([-1000, 1000, 0], { dtype: 'f64', requiresGrad: true });
    const loss = F.binaryCrossEntropyWithLogits(extreme, tensor([1, 1, 0], { dtype: 'f64' }), { reduction: 'none' });
    expectClose(loss, [1000, 0, Math.log(2)]);
    expectClose(grad(loss.sum(), extreme)[0] as Tensor, [-1, 0, 0.5]);
    expectClose(F.binaryCrossEntropy(tensor([0, 1]), tensor([1, 1]), { reduction: 'none' }), [100, 0]);
    const zero = tensor([0, 1], { dtype: 'f64' });
    expectClose(F.klDiv(zero, zero, { reduction: 'none' }), [0, -1]);
  });

  test('refuse shapes that broadcast', () => {
    expect(() => F.mseLoss(x, y.reshape(4, 3))).toThrow(
      'mseLoss: input and target must have one shape but have [3, 4] and [4, 3]',
    );
    expect(() => F.l1Loss(x, 3 as never)).toThrow('l1Loss: target must be a tensor');
    expect(() => F.huberLoss(x, y, { beta: 1 } as object)).toThrow("unknown option 'beta'");
  });

  test('as modules take the same options', () => {
    expectClose(new nn.MSELoss({ reduction: 'sum' }).forward(x, y), values(F.mseLoss(x, y, { reduction: 'sum' })));
    expectClose(new nn.SmoothL1Loss({ beta: 2 }).forward(x, y), values(F.smoothL1Loss(x, y, { beta: 2 })));
    expectClose(new nn.HuberLoss({ delta: 2 }).forward(x, y), values(F.huberLoss(x, y, { delta: 2 })));
    expectClose(new nn.L1Loss().forward(x, y), values(F.l1Loss(x, y)));
    expectClose(new nn.BCELoss().forward(p, q), values(F.binaryCrossEntropy(p, q)));
    expectClose(
      new nn.KLDivLoss({ reduction: 'batchmean' }).forward(x, q),
      values(F.klDiv(x, q, { reduction: 'batchmean' })),
    );
    expectClose(new nn.PoissonNLLLoss().forward(x, q), values(F.poissonNllLoss(x, q)));
    const posWeight = tensor([3], { dtype: 'f64' });
    const loss = new nn.BCEWithLogitsLoss({ posWeight });
    expectClose(loss.forward(x, q), values(F.binaryCrossEntropyWithLogits(x, q, { posWeight })));
    expect(Object.keys(loss.stateDict())).toEqual(['pos_weight']);
  });
});

/** Mean 0 and variance 1 of groups of `size` neighbours. */
const standardized = (list: number[], size: number, eps: number): number[] =>
  list.map((value, i) => {
    const group = list.slice(i - (i % size), i - (i % size) + size);
    const center = mean(group);
    return (value - center) / Math.sqrt(mean(group.map((v) => (v - center) ** 2)) + eps);
  });

describe('normalization', () => {
  test('of the last dimensions', () => {
    expectClose(F.layerNorm(x, [4], { eps: 0.1 }), standardized(values(x), 4, 0.1));
    expectClose(F.layerNorm(x, [3, 4]), standardized(values(x), 12, 1e-5));
    const layer = new nn.LayerNorm(4, { dtype: 'f64' });
    nn.init.constant_(layer.weight as Tensor, 2);
    nn.init.constant_(layer.bias as Tensor, 1);
    expectClose(
      layer.forward(x),
      standardized(values(x), 4, 1e-5).map((v) => 2 * v + 1),
    );
    expect(`${layer}`).toBe('LayerNorm([4], eps=0.00001, elementwiseAffine=true)');
    expect(() => F.layerNorm(x, [3])).toThrow('layerNorm: the last dimensions of [3, 4] are not [3]');
    expect(() => F.layerNorm(x, [4], { weight: x })).toThrow('layer_norm: weight must have shape [4] but has [3, 4]');
    expect(new nn.LayerNorm([3, 4], { elementwiseAffine: false }).parameters()).toEqual([]);
  });

  test('of groups of channels', () => {
    const layer = new nn.GroupNorm(2, 4, { dtype: 'f64' });
    expectClose(layer.forward(x), standardized(values(x), 2, 1e-5));
    expectClose(F.groupNorm(x.reshape(3, 2, 2), 1), standardized(values(x), 4, 1e-5));
    expect(() => F.groupNorm(x, 3)).toThrow('groupNorm: 3 groups do not divide the channels of [3, 4]');
    expect(() => new nn.GroupNorm(3, 4)).toThrow('GroupNorm: 3 groups do not divide 4 channels');
  });

  test('by the root mean square, and to a norm of 1', () => {
    const rows = (f: (row: number[]) => number): number[] =>
      values(x).map((v, i, all) => v / f(all.slice(i - (i % 4), i - (i % 4) + 4)));
    const layer = new nn.RMSNorm(4, { dtype: 'f64', eps: 0.5 });
    expectClose(
      layer.forward(x),
      rows((row) => Math.sqrt(mean(row.map((v) => v * v)) + 0.5)),
    );
    expectClose(
      F.normalize(x),
      rows((row) => Math.hypot(...row)),
    );
    expectClose(
      F.normalize(x, { p: 1, dim: -1 }),
      rows((row) => 4 * mean(row.map(Math.abs))),
    );
  });
});

test('the divergence from a probability of 0 is 0, from a negative one NaN', () => {
  const loss = F.klDiv(tensor([1, 1, 1]), tensor([0, -1, Number.NaN]), { reduction: 'none' });
  expect(loss.tolistSync()).toEqual([0, Number.NaN, Number.NaN]);
});
