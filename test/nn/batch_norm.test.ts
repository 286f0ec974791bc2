// Batch normalization as a layer: running statistics, modes, state.
import { batchNorm, grad, nn, type Tensor, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const batch = tensor(
  [
    [1, 10],
    [3, 30],
  ],
  { dtype: 'f64' },
);
const values = (t: Tensor | null): number[] => Array.from((t as Tensor).dataSync(), Number);
const rounded = (t: Tensor | null): number[] => values(t).map((v) => Number(v.toFixed(6)));

describe('batch normalization', () => {
  test('uses the batch in training and moves the running statistics, which evaluation uses', () => {
    const layer = new nn.BatchNorm1d(2, { dtype: 'f64', eps: 0 });
    expect(rounded(layer.forward(batch))).toEqual([-1, -1, 1, 1]);
    // Means 2 and 20, unbiased variances 2 and 200, a tenth of each.
    expect(rounded(layer.runningMean)).toEqual([0.2, 2]);
    expect(rounded(layer.runningVar)).toEqual([1.1, 20.9]);
    expect(layer.numBatchesTracked?.itemSync()).toBe(1);
    layer.eval();
    const expected = [0.8 / Math.sqrt(1.1), 8 / Math.sqrt(20.9), 2.8 / Math.sqrt(1.1), 28 / Math.sqrt(20.9)];
    expect(rounded(layer.forward(batch))).toEqual(expected.map((v) => Number(v.toFixed(6))));
    expect(layer.numBatchesTracked?.itemSync()).toBe(1);
    expect(rounded(layer.runningMean)).toEqual([0.2, 2]);
  });

  test('leaves the running statistics as they are where the batch is empty', () => {
    const layer = new nn.BatchNorm1d(2);
    expect(layer.forward(zeros([0, 2])).shape).toEqual([0, 2]);
    expect(values(layer.runningMean)).toEqual([0, 0]);
    expect(values(layer.runningVar)).toEqual([1, 1]);
    const none = [zeros([0]), zeros([0])] as const;
    expect(batchNorm(zeros([3, 0]), ...none, { training: true }).shape).toEqual([3, 0]);
  });

  test('passes NaN on to the running statistics, and gradients past it where these are used', () => {
    const layer = new nn.BatchNorm1d(2);
    const bad = tensor([
      [Number.NaN, 10],
      [3, 30],
    ]);
    layer.forward(bad);
    expect(values(layer.runningMean)[0]).toBeNaN();
    expect(values(layer.runningVar)[0]).toBeNaN();
    expect(values(layer.runningVar)[1]).toBeCloseTo(20.9, 4);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const x = tensor(
        [
          [value, 1],
          [2, 3],
        ],
        { requiresGrad: true },
      );
      const [mean, variance] = [tensor([0, 0]), tensor([4, 4])];
      const [dx] = grad(batchNorm(x, mean, variance, { eps: 0 }).sum(), [x]);
      expect(values(dx as Tensor)).toEqual([0.5, 0.5, 0.5, 0.5]);
    }
  });

  test('takes the plain average over all batches without a momentum', () => {
    const layer = new nn.BatchNorm1d(2, { dtype: 'f64', momentum: null });
    layer.forward(batch);
    layer.forward(batch.mul(4));
    layer.forward(batch.mul(4));
    expect(rounded(layer.runningMean)).toEqual([6, 60]);
  });

  test('keeps no statistics when told so', () => {
    const layer = new nn.BatchNorm1d(2, { dtype: 'f64', trackRunningStats: false, affine: false, eps: 0 }).eval();
    expect(rounded(layer.forward(batch))).toEqual([-1, -1, 1, 1]);
    expect(layer.stateDict()).toEqual({});
  });

  test('trains weight and bias; running statistics take no gradient', () => {
    const layer = new nn.BatchNorm2d(3);
    const x = zeros([2, 3, 4, 5]).requiresGrad_();
    const y = layer.forward(x);
    expect(y.shape).toEqual([2, 3, 4, 5]);
    const [dweight, dbias] = grad(y.sum(), layer.parameters());
    expect([dweight?.tolistSync(), dbias?.tolistSync()]).toEqual([
      [0, 0, 0],
      [40, 40, 40],
    ]);
    expect(layer.buffers().some((buffer) => buffer.requiresGrad)).toBe(false);
  });

  test('has the state that PyTorch has, and keeps its integer when it is cast', () => {
    const layer = new nn.BatchNorm2d(3);
    const names = ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'];
    expect(Object.keys(layer.stateDict())).toEqual(names);
    layer.forward(zeros([2, 3, 2, 2]));
    const other = new nn.BatchNorm2d(3);
    other.loadStateDict(layer.stateDict());
    expect(other.numBatchesTracked?.itemSync()).toBe(1);
    layer.to('f64');
    expect(layer.buffers().map(({ dtype }) => dtype)).toEqual(['f64', 'f64', 'i64']);
    expect(`${layer}`).toBe('BatchNorm2d(3, eps=0.00001, momentum=0.1, affine=true, trackRunningStats=true)');
  });

  test('refuses other shapes and options', () => {
    expect(() => new nn.BatchNorm2d(3).forward(zeros([2, 3]))).toThrow(
      'BatchNorm2d: expects 4 dimensions, the second of size 3, but the input is [2, 3]',
    );
    expect(() => new nn.BatchNorm1d(2).forward(zeros([2, 3]))).toThrow('expects 2 or 3 dimensions');
    expect(() => new nn.BatchNorm1d(2, { momentun: 1 } as object)).toThrow("did you mean 'momentum'?");
    expect(() => new nn.BatchNorm1d(2, { momentum: 2 })).toThrow('momentum must be from 0 to 1 or null but is 2');
  });
});
