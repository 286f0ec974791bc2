// Initial values: PyTorch's formulas, seen in bounds and moments; the same seed gives the same model.
import { Generator, manualSeed, nn, type Tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const { init } = nn;

async function moments(x: Tensor): Promise<{ mean: number; std: number; largest: number }> {
  const values = Array.from(await x.data(), Number);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  return { mean, std, largest: Math.max(...values.map(Math.abs)) };
}

// With 40,000 numbers the mean is within 5 standard errors of 0, the deviation within 3 % of its value.
async function expectMoments(x: Tensor, std: number, bound = Number.POSITIVE_INFINITY): Promise<void> {
  const found = await moments(x);
  expect(Math.abs(found.mean)).toBeLessThan((5 * std) / Math.sqrt(x.numel));
  expect(found.std / std).toBeGreaterThan(0.97);
  expect(found.std / std).toBeLessThan(1.03);
  expect(found.largest).toBeLessThanOrEqual(bound);
  if (bound < Number.POSITIVE_INFINITY) expect(found.largest).toBeGreaterThan(0.99 * bound);
}

describe('initial values', () => {
  test('of linear and convolutional layers are uniform within 1 / sqrt(fan in)', async () => {
    manualSeed(1);
    const linear = new nn.Linear(100, 400);
    await expectMoments(linear.weight, 0.1 / Math.sqrt(3), 0.1);
    expect((await moments(linear.bias as Tensor)).largest).toBeLessThanOrEqual(0.1);
    const conv = new nn.Conv2d(8, 200, 5, { groups: 2 });
    await expectMoments(conv.weight, 0.1 / Math.sqrt(3), 0.1);
    expect((await moments(conv.bias as Tensor)).largest).toBeGreaterThan(0.09);
  });

  test('of He and Glorot have their variances', async () => {
    manualSeed(2);
    const w = zeros([100, 400]);
    await expectMoments(init.kaimingUniform_(w), Math.sqrt(2 / 400), Math.sqrt(6 / 400));
    await expectMoments(init.kaimingUniform_(w, { mode: 'fanOut', nonlinearity: 'tanh' }), 5 / 3 / 10);
    await expectMoments(init.kaimingNormal_(w, { nonlinearity: 'relu' }), Math.sqrt(2 / 400));
    await expectMoments(init.xavierUniform_(w), Math.sqrt(2 / 500), Math.sqrt(6 / 500));
    await expectMoments(init.xavierNormal_(w, 2), 2 * Math.sqrt(2 / 500));
    await expectMoments(init.normal_(w, 0, 3), 3);
    expect(init.uniform_(w, 2, 3)).toBe(w);
    expect((await moments(w)).mean).toBeCloseTo(2.5, 2);
  });

  test('that are orthogonal have orthonormal rows or columns', async () => {
    const products = async (x: Tensor): Promise<number[]> =>
      Array.from(await x.matmul(x.transpose()).data(), Number).map((v) => Number(v.toFixed(9)) + 0);
    const wide = init.orthogonal_(zeros([3, 2, 4], { dtype: 'f64' }), 2).reshape(3, 8);
    expect(await products(wide)).toEqual([4, 0, 0, 0, 4, 0, 0, 0, 4]);
    const tall = init.orthogonal_(zeros([5, 2], { dtype: 'f64' }));
    expect(await products(tall.transpose())).toEqual([1, 0, 0, 1]);
    expect(() => init.orthogonal_(zeros([3]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });

  test('of a truncated normal distribution stay within the bounds', async () => {
    manualSeed(3);
    const x = init.truncNormal_(zeros([200, 200]), 1, 2, 0, 4);
    const values = Array.from(await x.data(), Number);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThanOrEqual(4);
    // Mean and deviation of the normal distribution cut at -0.5 and 1.5 deviations, by its density and share there.
    const [p, q, share] = [0.3520653, 0.1295176, 0.6246553];
    const mean = 1 + (2 * (p - q)) / share;
    const variance = 4 * (1 + (-0.5 * p - 1.5 * q) / share - ((p - q) / share) ** 2);
    const found = await moments(x);
    expect(found.mean).toBeCloseTo(mean, 1);
    expect(found.std).toBeCloseTo(Math.sqrt(variance), 1);
    expect(() => init.truncNormal_(x, 0, 1, 2, 1)).toThrow('low 2 below high 1');
  });

  test('that are fixed', () => {
    expect(init.constant_(zeros([2]), 3).tolistSync()).toEqual([3, 3]);
    expect(init.ones_(zeros([1])).tolistSync()).toEqual([1]);
    expect(init.zeros_(init.ones_(zeros([1]))).tolistSync()).toEqual([0]);
    expect(init.eye_(zeros([2, 3])).tolistSync()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect(
      init
        .dirac_(zeros([4, 1, 3]), 4)
        .reshape(4, 3)
        .tolistSync(),
    ).toEqual(new Array(4).fill([0, 1, 0]));
    expect(init.dirac_(zeros([2, 2, 1, 2])).tolistSync()).toEqual([
      [[[0, 1]], [[0, 0]]],
      [[[0, 0]], [[0, 1]]],
    ]);
  });

  test('come from the seed alone', async () => {
    const weights = (): number[] => {
      manualSeed(7);
      return Array.from(new nn.Linear(3, 5).weight.dataSync() as Float32Array);
    };
    expect(weights()).toEqual(weights());
    const drawn = [1, 1, 2].map((seed) =>
      init.uniform_(zeros([4]), 0, 1, { generator: new Generator(seed) }).tolistSync(),
    );
    expect(drawn[0]).toEqual(drawn[1]);
    expect(drawn[0]).not.toEqual(drawn[2]);
  });

  test('keep dtype, gradient flag and object', () => {
    const layer = new nn.Linear(2, 2, { dtype: 'f64' });
    const { weight } = layer;
    layer.resetParameters();
    expect([layer.weight === weight, weight.dtype, weight.requiresGrad]).toEqual([true, 'f64', true]);
  });

  test('refuse what makes no sense', () => {
    expect(() => init.kaimingUniform_(zeros([3]))).toThrow('fans need at least 2 dimensions but the shape is [3]');
    expect(() => init.kaimingUniform_(zeros([3, 3]), { mode: 'fan_in' as never })).toThrow("must be 'fanIn'");
    expect(() => init.calculateGain('gelu' as never)).toThrow("unknown nonlinearity 'gelu'");
    expect(() => init.eye_(zeros([2]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => new nn.Linear(0, 1)).toThrow('Linear: inFeatures must be a whole number from 1 up but is 0');
    expect(() => new nn.Conv2d(3, 4, 1, { groups: 2 })).toThrow('groups 2 does not divide inChannels 3');
    expect(() => new nn.Conv2d(3, 4, 1, { stide: 2 } as object)).toThrow("did you mean 'stride'?");
    expect(() => new nn.Linear(1, 1, { dtyp: 'f64' } as object)).toThrow("did you mean 'dtype'?");
  });
});

test('gains', () => {
  expect(init.calculateGain('linear')).toBe(1);
  expect(init.calculateGain('tanh')).toBe(5 / 3);
  expect(init.calculateGain('leakyRelu', 1)).toBe(1);
  expect(init.calculateGain('relu')).toBe(Math.SQRT2);
});
