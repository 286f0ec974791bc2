// Distances, margin losses, embeddings and activations made of ops, against their definitions written plainly.
import { Generator, grad, nn, normal, type Tensor, tensor, uniform } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const F = nn.functional;
const options = { dtype: 'f64', generator: new Generator(9) } as const;
const a = normal([3, 4], 0, 1, options);
const b = normal([3, 4], 0, 1, options);
const c = normal([3, 4], 0, 1, options);
const signs = tensor([1, -1, -1], { dtype: 'f64' });

const values = (t: Tensor): number[] => Array.from(t.dataSync(), Number);
const rows = (t: Tensor): number[][] => t.tolistSync() as number[][];
function expectClose(got: Tensor, expected: number[]): void {
  const list = values(got);
  expect(list.length).toBe(expected.length);
  list.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 9);
  });
}
const dot = (x: number[], y: number[]): number => x.reduce((total, v, i) => total + v * (y[i] as number), 0);
const cosine = (x: number[], y: number[]): number => dot(x, y) / Math.hypot(...x) / Math.hypot(...y);
const distance = (x: number[], y: number[]): number => Math.hypot(...x.map((v, i) => v - (y[i] as number) + 1e-6));
const pairs = (f: (x: number[], y: number[], i: number) => number, x = a, y = b): number[] =>
  rows(x).map((row, i) => f(row, rows(y)[i] as number[], i));
const sign = (i: number): number => [1, -1, -1][i] as number;
const none = { reduction: 'none' } as const;

describe('distances', () => {
  test('by angle and by norm', () => {
    expectClose(F.cosineSimilarity(a, b), pairs(cosine));
    expectClose(F.pairwiseDistance(a, b), pairs(distance));
    expect(F.pairwiseDistance(a, b, { p: 1, keepdim: true }).shape).toEqual([3, 1]);
    expect(F.cosineSimilarity(tensor([[0, 0]]), tensor([[1, 0]])).itemSync()).toBe(0);
  });

  test.each<[string, Tensor, number[]]>([
    [
      'cosine embedding',
      F.cosineEmbeddingLoss(a, b, signs, { margin: 0.1, ...none }),
      pairs((x, y, i) => (sign(i) === 1 ? 1 - cosine(x, y) : Math.max(0, cosine(x, y) - 0.1))),
    ],
    [
      'ranking',
      F.marginRankingLoss(a.sum(1), b.sum(1), signs, { margin: 0.5, ...none }),
      pairs((x, y, i) => Math.max(0, 0.5 - sign(i) * (dot(x, [1, 1, 1, 1]) - dot(y, [1, 1, 1, 1])))),
    ],
    [
      'hinge embedding',
      F.hingeEmbeddingLoss(a.sum(1), signs, none),
      pairs((x, _, i) => (sign(i) === 1 ? dot(x, [1, 1, 1, 1]) : Math.max(0, 1 - dot(x, [1, 1, 1, 1])))),
    ],
    [
      'triplet',
      F.tripletMarginLoss(a, b, c, none),
      pairs((x, y, i) => Math.max(0, distance(x, y) - distance(x, rows(c)[i] as number[]) + 1)),
    ],
    [
      'triplet, swapped',
      F.tripletMarginLoss(a, b, c, { swap: true, ...none }),
      pairs((x, y, i) => {
        const far = rows(c)[i] as number[];
        return Math.max(0, distance(x, y) - Math.min(distance(x, far), distance(y, far)) + 1);
      }),
    ],
    [
      'classes by margin',
      F.multiMarginLoss(a, tensor([1, 0, 3], { dtype: 'i64' }), { p: 2, margin: 0.7, ...none }),
      rows(a).map((row, i) => {
        const target = [1, 0, 3][i] as number;
        const excess = row.map((v, j) => (j === target ? 0 : Math.max(0, 0.7 + v - (row[target] as number)) ** 2));
        return excess.reduce((x, y) => x + y) / 4;
      }),
    ],
  ])('%s', (_name, got, expected) => expectClose(got, expected));

  test('of normal distributions', () => {
    const spread = uniform([3, 4], 0.5, 2, options);
    const expected = values(a).map((x, i) => {
      const s = values(spread)[i] as number;
      return (Math.log(s) + (x - (values(b)[i] as number)) ** 2 / s + Math.log(2 * Math.PI)) / 2;
    });
    expectClose(F.gaussianNllLoss(a, b, spread, { full: true, ...none }), expected);
  });
});

describe('gradients at corners are those of PyTorch', () => {
  const f64 = { dtype: 'f64', requiresGrad: true } as const;
  test('a score that lies the margin away takes none', () => {
    const x = tensor([[2, 1, 1.5]], f64);
    const [dx] = grad(F.multiMarginLoss(x, tensor([0], { dtype: 'i64' })), x) as [Tensor];
    expectClose(dx, [-1 / 3, 0, 1 / 3]);
  });

  test('a vector of zeros', () => {
    const zero = tensor([[0, 0]], f64);
    const other = tensor([[3, 4]], f64);
    const loss = F.cosineEmbeddingLoss(zero, other, tensor([1]));
    const [dx, dy] = grad(loss, [zero, other]) as [Tensor, Tensor];
    expectClose(dx.mul(1e-6), [-0.6, -0.8]);
    expectClose(dy, [0, 0]);
  });
});

describe('activations made of ops', () => {
  const x = tensor([-2, -0.5, 0, 0.5, 2], { dtype: 'f64' });
  test.each<[string, Tensor, number[]]>([
    ['softshrink', F.softshrink(x), [-1.5, 0, 0, 0, 1.5]],
    ['hardshrink', F.hardshrink(x, 0.4), [-2, -0.5, 0, 0.5, 2]],
    ['threshold', F.threshold(x, 0.1, -9), [-9, -9, -9, 0.5, 2]],
    ['tanhshrink', F.tanhshrink(x), values(x).map((v) => v - Math.tanh(v))],
    ['prelu', F.prelu(x, tensor([0.1], { dtype: 'f64' })), [-0.2, -0.05, 0, 0.5, 2]],
    ['softmin', F.softmin(x), values(F.softmax(x.mul(-1)))],
  ])('%s', (_name, got, expected) => expectClose(got, expected));

  test('prelu has one weight, or one for each channel', () => {
    const layer = new nn.PReLU(2, { init: 0.5, dtype: 'f64' });
    const y = layer.forward(tensor([[[-2], [4]]], { dtype: 'f64' }));
    expectClose(y, [-1, 4]);
    expectClose(grad(y.sum(), layer.weight)[0] as Tensor, [-2, 0]);
    expect(() => F.prelu(x, tensor([1, 2]))).toThrow('prelu: weight must have 1 element or one for each of 1 channels');
  });

  test('a gated half', () => {
    expectClose(F.glu(tensor([3, 0], { dtype: 'f64' })), [1.5]);
    expect(new nn.GLU(1).forward(a).shape).toEqual([3, 2]);
    expect(() => F.glu(x)).toThrow('glu: dimension -1 of [5] has no halves');
  });

  test('softmax layers', () => {
    expectClose(new nn.Softmax(0).forward(a).sum(0), [1, 1, 1, 1]);
    expectClose(new nn.LogSoftmax().forward(a), values(new nn.Softmax().forward(a)).map(Math.log));
    expectClose(new nn.Softmin(1).forward(a), values(F.softmin(a, 1)));
    expect(`${new nn.Softmax(1)}`).toBe('Softmax(dim=1)');
  });
});

describe('embedding', () => {
  test('looks rows up and trains them, the padding row excepted', () => {
    const layer = new nn.Embedding(4, 2, { paddingIdx: -3, dtype: 'f64' });
    expect(`${layer}`).toBe('Embedding(4, 2, paddingIdx=1)');
    const table = rows(layer.weight);
    expect(table[1]).toEqual([0, 0]);
    expect(new Set(table.flat()).size).toBe(7);
    const index = tensor(
      [
        [3, 1],
        [3, 0],
      ],
      { dtype: 'i64' },
    );
    const y = layer.forward(index);
    expect(y.tolistSync()).toEqual([
      [table[3], table[1]],
      [table[3], table[0]],
    ]);
    expectClose(grad(y.sum(), layer.weight)[0] as Tensor, [1, 1, 0, 0, 0, 0, 2, 2]);
  });

  test('takes a table that is there', () => {
    const table = tensor([
      [1, 2],
      [3, 4],
    ]);
    const layer = nn.Embedding.fromPretrained(table);
    expect([layer.weight.requiresGrad, layer.forward(tensor([1], { dtype: 'i32' })).tolistSync()]).toEqual([
      false,
      [[3, 4]],
    ]);
    expect(nn.Embedding.fromPretrained(table, { freeze: false }).weight.requiresGrad).toBe(true);
    expect(() => new nn.Embedding(4, 2, { paddingIdx: 4 })).toThrow('paddingIdx 4 is not among the 4 rows');
  });
});
