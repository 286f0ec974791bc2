// Layers that keep no more than pruning left.
import { memory, nn, noGrad, prune, randn, type Tensor, tensor, tidy, zeros } from 'tilegrad';
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
      'prune.compact: Sequential has no Linear of f32 or f64 with 80 % zeros or more',
    );
    const alone = prune.compact(prune.l1Unstructured(new nn.Linear(8, 8), 'weight', 0.5), {
      minSparsity: 0.5,
    });
    expect(alone).toBeInstanceOf(prune.SparseLinear);
    expect(String(alone)).toContain('inFeatures=8, outFeatures=8, kept=50.0 %');
  });

  it('replaces a layer in all of its places and leaves what others share', () => {
    class Tied extends nn.Module {
      readonly embedding = new nn.Embedding(6, 8);
      readonly shared = prune.l1Unstructured(new nn.Linear(8, 8), 'weight', 0.9);
      readonly layers = new nn.Sequential(this.shared, new nn.ReLU(), this.shared);
      readonly decoder = new nn.Linear(8, 6, { bias: false });
      constructor() {
        super();
        this.embedding.weight.assign(zeros([6, 8]));
        Object.assign(this.decoder, { weight: this.embedding.weight });
      }
      forward(x: Tensor): Tensor {
        return this.decoder.forward(this.layers.forward(this.embedding.forward(x)));
      }
    }
    const model = noGrad(() => new Tied());
    prune.compact(model);
    expect(model.shared).toBeInstanceOf(prune.SparseLinear);
    expect(model.layers.at(0)).toBe(model.shared);
    expect(model.layers.at(2)).toBe(model.shared);
    expect(model.decoder).toBeInstanceOf(prune.SparseLinear);
    expect(model.forward(tensor([1, 2], { dtype: 'i64' })).shape).toEqual([2, 6]);
  });

  it('names inputs of another width', () => {
    const layer = prune.compact(prune.l1Unstructured(new nn.Linear(8, 4), 'weight', 0.9)) as prune.SparseLinear;
    expect(() => layer.forward(zeros([2, 7]))).toThrow('SparseLinear: expects 8 features but x has shape [2, 7]');
  });
});
