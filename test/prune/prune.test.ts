import { Generator, manualSeed, memory, nn, noGrad, optim, prune, type Tensor, tensor, tidy, zeros } from 'tilegrad';
import { describe, expect, it } from 'vitest';

const weights = [
  [0.1, -0.5, 0.3, -0.2],
  [0.9, 0.05, -0.7, 0.6],
];

const numbers = (x: Tensor): number[] => Array.from(x.dataSync() as Float32Array, Number);

function layer(): nn.Linear {
  const linear = new nn.Linear(4, 2);
  linear.loadStateDict({ weight: tensor(weights), bias: zeros([2]) });
  return linear;
}

describe('prune', () => {
  it('moves the parameter and multiplies it with its mask before every forward', () => {
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5);
    expect(linear.namedParameters().map(([name]) => name)).toEqual(['bias', 'weight_orig']);
    expect(linear.namedBuffers().map(([name]) => name)).toEqual(['weight_mask']);
    expect(linear.weight.tolistSync()).toEqual(
      tensor([
        [0, -0.5, 0, 0],
        [0.9, 0, -0.7, 0.6],
      ]).tolistSync(),
    );
    const y = linear.forward(tensor([[1, 1, 1, 1]]));
    expect(numbers(y)).toEqual([Math.fround(-0.5), Math.fround(0.8)].map((v) => expect.closeTo(v, 6)));
  });

  it('counts a second amount over what is left', () => {
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5);
    prune.l1Unstructured(linear, 'weight', 0.5);
    expect(prune.sparsity(linear)).toBeCloseTo(6 / 10);
    expect(numbers(linear.weight).filter((w) => w !== 0).length).toBe(2);
  });

  it('takes a number up to 1 as a fraction, one above as a count, and says more in words', () => {
    expect(numbers(prune.masks.l1(tensor(weights), 3)).filter((kept) => kept === 0).length).toBe(3);
    expect(numbers(prune.masks.l1(tensor(weights), { count: 1 })).filter((kept) => kept === 0).length).toBe(1);
    expect(numbers(prune.masks.l1(tensor(weights), 1))).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => prune.masks.l1(tensor(weights), 9)).toThrow('whole number from 0 to 8 but is 9');
    expect(() => prune.masks.l1(tensor(weights), -0.1)).toThrow('from 0 to 1 but is -0.1');
  });

  it('drops whole rows and columns', () => {
    const rows = prune.masks.ln(tensor(weights), { count: 1 }, 2, 0);
    expect(rows.tolistSync()).toEqual([
      [false, false, false, false],
      [true, true, true, true],
    ]);
    const columns = prune.masks.ln(tensor(weights), 0.5, Infinity, 1);
    expect(columns.tolistSync()).toEqual([
      [true, false, true, false],
      [true, false, true, false],
    ]);
  });

  it('takes the norms of what an earlier mask left', () => {
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5); // rows [0, -0.5, 0, 0] and [0.9, 0, -0.7, 0.6]
    prune.lnStructured(linear, 'weight', { count: 1 }, 1, 1);
    expect(linear.weight.tolistSync()).toEqual(
      tensor([
        [0, 0, 0, 0],
        [0.9, 0, -0.7, 0.6],
      ]).tolistSync(),
    );
  });

  it('counts elements that are not 0 as the 0-norm', () => {
    const mask = prune.masks.ln(
      tensor([
        [0, 5],
        [1, 2],
        [0, 0],
      ]),
      { count: 1 },
      0,
      0,
    );
    expect(mask.tolistSync()).toEqual([
      [true, true],
      [true, true],
      [false, false],
    ]);
  });

  it('goes by scores of their own', () => {
    const importanceScores = tensor([
      [8, 7, 6, 5],
      [4, 3, 2, 1],
    ]);
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5, { importanceScores });
    expect(numbers(linear.weight).map((w) => w !== 0)).toEqual([true, true, true, true, false, false, false, false]);
    const column = prune.lnStructured(layer(), 'weight', { count: 1 }, 2, 1, { importanceScores });
    expect(numbers(column.weight).map((w) => w !== 0)).toEqual([true, true, true, false, true, true, true, false]);
    expect(() => prune.l1Unstructured(layer(), 'weight', 0.5, { importanceScores: zeros([2]) })).toThrow(
      'prune.l1Unstructured: importanceScores must have shape [2, 4] but have [2]',
    );
  });

  it('begins with a mask that keeps all', () => {
    const linear = prune.identity(layer(), 'weight');
    expect(prune.isPruned(linear)).toBe(true);
    expect(prune.sparsity(linear)).toBe(0);
    linear.loadStateDict(prune.l1Unstructured(layer(), 'weight', 0.5).stateDict());
    expect(prune.sparsity(linear)).toBeCloseTo(4 / 10);
  });

  it('drops elements of several layers by chance', () => {
    const layers = [layer(), layer()];
    const parameters = layers.map((linear) => [linear, 'weight'] as const);
    prune.globalUnstructured(parameters, { count: 5 }, { method: 'random', generator: new Generator(1) });
    const zeroed = layers.flatMap((linear) => numbers(linear.weight)).filter((w) => w === 0).length;
    expect(zeroed).toBe(5);
    expect(() => prune.globalUnstructured([], 0.5)).toThrow('expects a list of at least one [module, name]');
  });

  it('makes the product again only where weights, mask or recording changed', () => {
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5);
    const x = tensor([[1, 1, 1, 1]]);
    const infer = (): Tensor => {
      noGrad(() => tidy(() => linear.forward(x.to(linear.parameters()[0]?.dtype ?? 'f32')).dataSync()));
      return linear.weight;
    };
    const first = infer();
    expect(infer()).toBe(first);
    expect(linear.forward(x).requiresGrad).toBe(true);
    const second = infer();
    expect(second.requiresGrad).toBe(false);
    new optim.SGD(linear.parameters(), { lr: 1, weightDecay: 0.5 }).step(); // no gradients: nothing changes
    expect(infer()).toBe(second);
    linear.loadStateDict({ ...linear.stateDict(), weight_orig: tensor(weights).mul(2) });
    expect(numbers(infer())).toEqual([0, -1, 0, 0, 1.8, 0, -1.4, 1.2].map(Math.fround));
    prune.customFromMask(
      linear,
      'weight',
      tensor([true, false, true, true, true, true, true, true], { shape: [2, 4] }),
    );
    expect(numbers(infer())).toEqual([0, 0, 0, 0, 1.8, 0, -1.4, 1.2].map(Math.fround));
    linear.to('f64');
    expect(infer().dtype).toBe('f64');
    infer().dispose();
    expect(numbers(infer()).length).toBe(8);
  });

  it('names what it cannot take', () => {
    expect(() => prune.masks.l1(tensor(weights), undefined as never)).toThrow('but is undefined');
    expect(() => prune.identity(null as never, 'weight')).toThrow('prune.identity: expects a module but got null');
    expect(() => prune.isPruned(undefined as never)).toThrow('prune.isPruned: expects a module but got undefined');
    expect(() => prune.compact(3 as never)).toThrow('prune.compact: expects a module but got 3');
    expect(() => prune.globalUnstructured(layer() as never, 0.5)).toThrow('a list of at least one [module, name]');
    expect(() => prune.customFromMask(layer(), 'weight', null as never)).toThrow('must be a tensor but is null');
    expect(() => prune.masks.ln(tensor(weights), 0.5, 2, 0, { msk: null } as never)).toThrow("did you mean 'mask'?");
  });

  it('takes one threshold over several layers', () => {
    const [a, b] = [layer(), layer()];
    prune.globalUnstructured(
      [
        [a, 'weight'],
        [b, 'weight'],
      ],
      0.25,
    );
    expect(prune.sparsity(a) * 10 + prune.sparsity(b) * 10).toBeCloseTo(4);
  });

  it('keeps pruned weights at zero while training, with momentum and decay', () => {
    manualSeed(0);
    const linear = prune.nmStructured(layer(), 'weight', 2, 4);
    const before = numbers(linear.weight).map((w) => w !== 0);
    const optimizer = new optim.SGD(linear.parameters(), { lr: 0.1, momentum: 0.9, weightDecay: 0.1 });
    for (let step = 0; step < 5; step++)
      tidy(() => {
        optimizer.zeroGrad();
        linear
          .forward(tensor([[1, 2, 3, 4]]))
          .sum()
          .backward();
        optimizer.step();
      });
    linear.forward(tensor([[1, 2, 3, 4]]));
    expect(numbers(linear.weight).map((w) => w !== 0)).toEqual(before);
  });

  it('is made permanent by remove', () => {
    const linear = prune.l1Unstructured(layer(), 'weight', 0.5);
    expect(prune.isPruned(linear)).toBe(true);
    prune.remove(linear, 'weight');
    expect(prune.isPruned(linear)).toBe(false);
    expect(linear.namedParameters().map(([name]) => name)).toEqual(['bias', 'weight']);
    expect(numbers(linear.weight).filter((w) => w === 0).length).toBe(4);
    expect(() => prune.remove(linear, 'weight')).toThrow("'weight' of Linear is not pruned");
  });

  it('names the parameters that there are', () => {
    expect(() => prune.l1Unstructured(layer(), 'wieght', 0.5)).toThrow(
      "prune.l1Unstructured: Linear has no parameter 'wieght'; it has weight, bias",
    );
    expect(() => prune.customFromMask(layer(), 'weight', zeros([2, 4]))).toThrow(
      'must be bool of shape [2, 4] but is f32',
    );
  });

  it('leaves nothing behind', async () => {
    const live = memory().liveTensors;
    const linear = tidy(layer);
    prune.l1Unstructured(linear, 'weight', 0.5);
    prune.l1Unstructured(linear, 'weight', 0.5);
    prune.nmStructured(linear, 'weight', 1, 4);
    noGrad(() => tidy(() => linear.forward(zeros([1, 4])))).dispose();
    prune.remove(linear, 'weight');
    linear.dispose();
    expect(memory().liveTensors).toBe(live);
  });
});
