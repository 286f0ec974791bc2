// Layers of a Sequential that one op computes give what they give one by one.
import { grad, manualSeed, nn, randn, type Tensor, trace } from 'tilegrad';
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
