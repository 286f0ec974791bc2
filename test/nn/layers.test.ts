// Layers: what they compute, settings, modes, wrong arguments. The functions behind them have tests of their own.
import { Generator, nn, ones, type Tensor, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

/** 0, 1, 2, ... in that shape. */
const count = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => i),
    { shape },
  );
};

describe('layers of weights', () => {
  test('linear', () => {
    const layer = new nn.Linear(2, 3);
    layer.loadStateDict({ weight: count(3, 2), bias: tensor([10, 20, 30]) });
    expect(layer.forward(tensor([1, 2])).tolistSync()).toEqual([12, 28, 44]);
    expect(layer.forward(ones([4, 5, 2])).shape).toEqual([4, 5, 3]);
    const plain = new nn.Linear(2, 1, { bias: false, dtype: 'f64' });
    expect([plain.bias, plain.weight.dtype]).toEqual([null, 'f64']);
    expect(Object.keys(plain.stateDict())).toEqual(['weight']);
  });

  test('convolution', () => {
    const layer = new nn.Conv2d(2, 4, [1, 3], { stride: [1, 2], padding: [0, 1], groups: 2 });
    expect(layer.weight.shape).toEqual([4, 1, 1, 3]);
    expect(layer.forward(ones([5, 2, 6, 8])).shape).toEqual([5, 4, 6, 4]);
    expect(`${layer}`).toBe('Conv2d(2, 4, kernelSize=[1, 3], stride=[1, 2], padding=[0, 1], groups=2)');
    nn.init.ones_(layer.weight);
    nn.init.zeros_(layer.bias as Tensor);
    expect(layer.forward(ones([1, 2, 1, 3])).tolistSync()).toEqual([[[[2, 2]], [[2, 2]], [[2, 2]], [[2, 2]]]]);
    const same = new nn.Conv2d(1, 1, 3, { padding: 'same', dilation: 2 });
    expect(same.forward(ones([1, 1, 7, 5])).shape).toEqual([1, 1, 7, 5]);
    expect(() => layer.forward(ones([1, 3, 6, 8]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    const round = new nn.Conv2d(1, 1, 3, { padding: 'same', paddingMode: 'circular', bias: false });
    nn.init.ones_(round.weight);
    // Every window of the ring of four by three places sees three rows of three of the twelve values.
    expect(
      round
        .forward(count(1, 1, 4, 3))
        .reshape(4, 3)
        .tolistSync(),
    ).toEqual([
      [45, 45, 45],
      [36, 36, 36],
      [63, 63, 63],
      [54, 54, 54],
    ]);
    expect(() => new nn.Conv2d(1, 1, 3, { paddingMode: 'mirror' as never })).toThrow("but is 'mirror'");
  });
});

describe('layers without weights', () => {
  test('pooling', () => {
    const x = count(1, 1, 4, 4);
    expect(new nn.MaxPool2d(2).forward(x).reshape(-1).tolistSync()).toEqual([5, 7, 13, 15]);
    expect(new nn.MaxPool2d([1, 2], { stride: 3 }).forward(x).reshape(-1).tolistSync()).toEqual([1, 13]);
    expect(new nn.AvgPool2d(2).forward(x).reshape(-1).tolistSync()).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect(new nn.AdaptiveAvgPool2d(1).forward(x).reshape(-1).tolistSync()).toEqual([7.5]);
    expect(new nn.AdaptiveAvgPool2d([null, 2]).forward(x).shape).toEqual([1, 1, 4, 2]);
    expect(`${new nn.MaxPool2d(2)}`).toBe('MaxPool2d(kernelSize=2, stride=2, padding=0, dilation=1, ceilMode=false)');
    expect(`${new nn.AvgPool2d([2, 1], { padding: 1 })}`).toBe(
      'AvgPool2d(kernelSize=[2, 1], stride=[2, 1], padding=1)',
    );
    expect(() => new nn.MaxPool2d(0)).toThrow('MaxPool2d: kernelSize must be a whole number from 1 up but is 0');
    expect(() => new nn.MaxPool2d([1, 2, 3] as never)).toThrow('kernelSize must be a number or a pair');
    expect(() => new nn.AvgPool2d(2, { cielMode: true } as object)).toThrow("did you mean 'ceilMode'?");
  });

  test('shapes', () => {
    const x = count(2, 3, 4);
    expect(new nn.Flatten().forward(x).shape).toEqual([2, 12]);
    expect(new nn.Flatten(0, 1).forward(x).shape).toEqual([6, 4]);
    expect(new nn.Unflatten(1, [3, -1]).forward(zeros([2, 12])).shape).toEqual([2, 3, 4]);
    expect(() => new nn.Unflatten(1, [5, -1]).forward(zeros([2, 12]))).toThrow('does not split into [5, -1]');
    expect(() => new nn.Flatten(2, 1).forward(x)).toThrow('startDim 2 comes after endDim 1');
    expect(new nn.Identity().forward(x)).toBe(x);
  });

  test('dropout drops in training alone, by the seed of its generator', () => {
    const x = ones([1000]);
    const drop = (seed: number): Float32Array => {
      const layer = new nn.Dropout(0.25, { generator: new Generator(seed) });
      return layer.forward(x).dataSync() as Float32Array;
    };
    const values = drop(1);
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    const kept = values.filter((value) => value > 0).length;
    expect(kept).toBeGreaterThan(700);
    expect(kept).toBeLessThan(800);
    expect(drop(1)).toEqual(values);
    expect(drop(2)).not.toEqual(values);
    expect(new nn.Dropout().eval().forward(x)).toBe(x);
    expect(() => new nn.Dropout(1.5)).toThrow('Dropout: p must be from 0 to 1 but is 1.5');
    expect(`${new nn.Dropout(0.1)}`).toBe('Dropout(p=0.1)');
  });
});

describe('losses', () => {
  const logits = tensor([
    [1, 2, 0],
    [3, 0, 0],
  ]);
  const classes = tensor([1, 2], { dtype: 'i64' });

  test('are those of the functions, with the settings of the module', () => {
    const { crossEntropy, logSoftmax } = nn.functional;
    const plain = new nn.CrossEntropyLoss().forward(logits, classes);
    expect(plain.itemSync()).toBeCloseTo(crossEntropy(logits, classes).itemSync(), 6);
    const weight = tensor([1, 2, 0]);
    const weighted = new nn.CrossEntropyLoss({ weight, reduction: 'sum', labelSmoothing: 0.1 });
    expect(weighted.forward(logits, classes).itemSync()).toBeCloseTo(
      crossEntropy(logits, classes, { weight, reduction: 'sum', labelSmoothing: 0.1 }).itemSync(),
      6,
    );
    const likelihood = new nn.NLLLoss().forward(logSoftmax(logits, 1), classes);
    expect(likelihood.itemSync()).toBeCloseTo(plain.itemSync(), 6);
    expect(() => new nn.NLLLoss({ labelSmoothing: 0.1 } as object)).toThrow("unknown option 'labelSmoothing'");
  });

  test('hold their weights as buffers', () => {
    const loss = new nn.CrossEntropyLoss({ weight: tensor([1, 2, 3]), ignoreIndex: 0 });
    expect(Object.keys(loss.stateDict())).toEqual(['weight']);
    expect(loss.parameters()).toEqual([]);
    expect(`${loss}`).toBe('CrossEntropyLoss(ignoreIndex=0)');
  });
});
