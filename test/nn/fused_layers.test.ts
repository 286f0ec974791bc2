// Layers of a Sequential that one op computes give what they give one by one.
import { grad, manualSeed, nn, noGrad, randn, type Tensor, trace } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const values = (x: Tensor): number[] => Array.from(x.dataSync() as Float32Array);

function opsOf(fn: () => unknown): string[] {
  const names: string[] = [];
  trace((op) => names.push(op.name), fn);
  return names;
}

const pooled = ['conv2d_max_pool2d'];

const stacks: Record<string, [layers: () => nn.Module[], ops: string[]]> = {
  'convolution, ReLU, pooling': [() => [new nn.Conv2d(2, 5, 5), new nn.ReLU(), new nn.MaxPool2d(2)], pooled],
  'convolution, pooling, ReLU6': [
    () => [new nn.Conv2d(2, 5, 5, { bias: false }), new nn.MaxPool2d([2, 2], { stride: 2 }), new nn.ReLU6()],
    pooled,
  ],
  'convolution, ReLU': [() => [new nn.Conv2d(2, 5, 3, { padding: 1 }), new nn.ReLU()], ['conv2d']],
  'windows that overlap': [
    () => [new nn.Conv2d(2, 5, 5), new nn.ReLU(), new nn.MaxPool2d(3, { stride: 2 })],
    ['conv2d', 'max_pool2d'],
  ],
  'mirrored edges': [
    () => [new nn.Conv2d(2, 5, 5, { padding: 2, paddingMode: 'reflect' }), new nn.ReLU()],
    ['pad', 'conv2d', 'relu'],
  ],
};

/** Name: layer behind a Linear, ops in evaluation, ops where gradients are recorded. */
const behindLinear: Record<string, [layer: () => nn.Module, ops: string[], recorded: string[]]> = {
  ReLU: [() => new nn.ReLU(), ['linear'], ['linear']],
  GELU: [() => new nn.GELU(), ['linear'], ['linear', 'gelu']],
  'GELU by tanh': [() => new nn.GELU({ approximate: 'tanh' }), ['linear'], ['linear', 'gelu_tanh']],
  SiLU: [() => new nn.SiLU(), ['linear'], ['linear', 'silu']],
  Tanh: [() => new nn.Tanh(), ['linear', 'tanh'], ['linear', 'tanh']],
};

describe('an activation behind a Linear', () => {
  test.each(Object.entries(behindLinear))('%s', (_, [make, ops, recorded]) => {
    manualSeed(6);
    const [linear, activation] = [new nn.Linear(20, 33), make()];
    const model = new nn.Sequential(linear, activation as nn.ReLU);
    const x = randn([7, 20]);
    const together = noGrad(() => model.forward(x));
    expect(noGrad(() => opsOf(() => model.forward(x)))).toEqual(ops);
    expect(opsOf(() => model.forward(x))).toEqual(recorded);
    const apart = activation.forward(linear.forward(x)) as Tensor;
    for (const [i, value] of values(together).entries()) expect(value).toBeCloseTo(values(apart)[i] as number, 5);
    const targets = [linear.weight, linear.bias as Tensor];
    const dy = randn([7, 33]);
    const [one, other] = [model.forward(x), apart].map((y) =>
      grad(y, targets, { gradOutputs: [dy] }).map((g) => values(g as Tensor)),
    );
    expect(one).toEqual(other);
  });
});

describe('a hidden layer of a transformer', () => {
  test.each(['relu', 'gelu'] as const)(
    '%s: two products in evaluation, what the layers give one by one',
    (activation) => {
      manualSeed(7);
      const layer = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 12, activation });
      const x = randn([5, 3, 8]);
      layer.eval();
      const ops = noGrad(() => opsOf(() => layer.forward(x)));
      expect(ops.filter((name) => name === 'relu' || name === 'gelu' || name === 'dropout')).toEqual([]);
      const [together] = noGrad(() => [layer.forward(x)]);
      let seen = 0;
      for (const part of [layer.linear1, layer.linear2])
        part.registerForwardHook(() => {
          seen += 1;
          return undefined;
        });
      const apart = noGrad(() => layer.forward(x));
      expect(seen).toBe(2);
      for (const [i, value] of values(together as Tensor).entries())
        expect(value).toBeCloseTo(values(apart)[i] as number, 4);
    },
  );
});

describe('layers computed together', () => {
  test.each(Object.entries(stacks))('%s', (_, [make, ops]) => {
    manualSeed(5);
    const layers = make();
    const model = new nn.Sequential(...(layers as [nn.Module]));
    const x = randn([3, 2, 12, 14]);
    expect(opsOf(() => model.forward(x))).toEqual(ops);
    x.requiresGrad = true;
    const targets = [x, ...model.parameters()];
    const together = model.forward(x);
    const apart = layers.reduce((y, layer) => layer.forward(y), x);
    expect(values(together)).toEqual(values(apart));
    const dy = randn(together.shape);
    const [one, other] = [together, apart].map((y) =>
      grad(y, targets, { gradOutputs: [dy] }).map((g) => values(g as Tensor)),
    );
    for (const [i, gradient] of (one as number[][]).entries())
      for (const [j, value] of gradient.entries())
        expect(value).toBeCloseTo((other as number[][])[i]?.[j] as number, 3);
  });

  test('a hook keeps its layer apart', () => {
    const [convolution, activation] = [new nn.Conv2d(2, 5, 5), new nn.ReLU()];
    const model = new nn.Sequential(convolution, activation);
    let seen: readonly number[] = [];
    activation.registerForwardHook((_, [input]) => {
      seen = input.shape;
      return undefined;
    });
    const x = randn([1, 2, 8, 8]);
    expect(opsOf(() => model.forward(x))).toEqual(['conv2d', 'relu']);
    expect(seen).toEqual([1, 5, 4, 4]);
  });
});
