// Layers that keep no more than pruning left.
import { memory, nn, noGrad, prune, randn, type Tensor, tidy } from 'tilegrad';
import { describe, expect, it } from 'vitest';

const numbers = (x: Tensor): number[] => Array.from(x.dataSync() as Float32Array, Number);

describe('prune.compact', () => {
  it('keeps what pruning left of Linear layers and computes the same', () => {
    const before = memory().liveTensors;
    const model = new nn.Sequential(new nn.Linear(64, 40), new nn.ReLU(), new nn.Linear(40, 5));
    const first = model.children()[0] as nn.Linear;
    prune.l1Unstructured(first, 'weight', 0.9);
    const x = randn([12, 64]);
    const expected = noGrad(() => model.forward(x));
    prune.compact(model);
    expect(model.children()[0]).toBeInstanceOf(prune.SparseLinear);
    expect(model.children()[2]).toBeInstanceOf(nn.Linear);
    expect(tidy(() => Object.keys(model.stateDict()))).toEqual([
      '0.crow_indices',
      '0.col_indices',
      '0.values',
      '0.bias',
      '2.weight',
      '2.bias',
    ]);
    expect((model.children()[0] as prune.SparseLinear).values.numel).toBe(256);
    const got = noGrad(() => model.forward(x));
    numbers(expected).forEach((value, i) => void expect(numbers(got)[i]).toBeCloseTo(value, 5));
    const one = noGrad(() => tidy(() => numbers(model.forward(randn([64])))));
    expect(one).toHaveLength(5);
    for (const tensor of [x, expected, got]) tensor.dispose();
    model.dispose();
    expect(memory().liveTensors).toBe(before);
  });

  it('says where nothing has enough zeros, and takes a Linear alone', () => {
    expect(() => prune.compact(new nn.Sequential(new nn.Linear(4, 4)))).toThrow(
      'prune.compact: Sequential has no Linear with 80 % zeros or more',
    );
    const alone = prune.compact(prune.l1Unstructured(new nn.Linear(8, 8), 'weight', 0.5), {
      minSparsity: 0.5,
    });
    expect(alone).toBeInstanceOf(prune.SparseLinear);
    expect(String(alone)).toContain('inFeatures=8, outFeatures=8, kept=50.0 %');
  });
});
