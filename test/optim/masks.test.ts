// Pruning masks in the updates: what they drop stays 0 under momentum and decay, in the parameter and in its states.
import { type DType, nn, ones, optim, prune, sgdUpdate, type Tensor, tensor, transpose, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const numbers = (x: Tensor): number[] => Array.from(x.to('f32').dataSync() as Float32Array, Number);

describe('sgdUpdate with masks', () => {
  test.each(['f32', 'f64', 'f16', 'bf16'] as DType[])('clears what they drop, in %s', (dtype) => {
    const make = (...values: number[]) => tensor(values, { dtype });
    const [first, second, free] = [make(1, 2, 3), make(4, 5, 6), make(7)];
    const buffers = [make(1, 1, 1), make(1, 1, 1), make(1)];
    const grads = [make(1, 1, 1), make(1, 1, 1), make(1)];
    const masks = [tensor([true, false, true]), tensor([false, false, true]), null];
    sgdUpdate([first, second, free], grads, buffers, { lr: 1, momentum: 1, masks });
    expect([first, second, free].map(numbers)).toEqual([[-1, 0, 1], [0, 0, 4], [5]]);
    expect(buffers.map(numbers)).toEqual([[2, 0, 2], [0, 0, 2], [2]]);
  });

  test('reads masks and writes parameters of any layout, longer than a chunk', () => {
    const shape = [700, 90] as const;
    const values = ones(shape);
    const kept = tensor(
      Array.from({ length: 63000 }, (_, i) => i % 3 === 0),
      { shape: [90, 700], dtype: 'bool' },
    );
    sgdUpdate([values], [ones(shape)], null, { lr: 0.5, masks: [transpose(kept)] });
    const after = numbers(transpose(values).contiguous());
    expect(after.every((x, i) => x === (i % 3 === 0 ? 0.5 : 0))).toBe(true);
  });

  test('says what does not fit', () => {
    const run = (mask: Tensor) => () => sgdUpdate([zeros([2])], [zeros([2])], null, { lr: 1, masks: [mask] });
    expect(run(zeros([2]))).toThrow('sgd_update: the mask of parameter 0 must be bool but is f32');
    expect(run(tensor([true]))).toThrow('sgd_update: the mask of parameter 0 has shape [1] but the parameter has [2]');
    expect(() => sgdUpdate([zeros([2])], [zeros([2])], null, { lr: 1, masks: [tensor([true, true]), null] })).toThrow(
      'sgd_update: expects 3 lists of 1 tensors but one has 2',
    );
  });
});

const optimizers: [string, (params: Tensor[]) => { step(): void }][] = [
  ['SGD', (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9, weightDecay: 0.1, nesterov: true })],
  ['Adam', (params) => new optim.Adam(params, { weightDecay: 0.1 })],
  ['AdamW', (params) => new optim.AdamW(params)],
  ['Adamax', (params) => new optim.Adamax(params)],
  ['NAdam', (params) => new optim.NAdam(params)],
  ['RAdam', (params) => new optim.RAdam(params)],
  ['RMSprop', (params) => new optim.RMSprop(params, { momentum: 0.5 })],
  ['Adagrad', (params) => new optim.Adagrad(params)],
  ['Adadelta', (params) => new optim.Adadelta(params)],
  ['Rprop', (params) => new optim.Rprop(params)],
  ['ASGD', (params) => new optim.ASGD(params)],
];

describe('pruned parameters', () => {
  test.each(optimizers)('stay 0 in %s, and are free again when pruning is removed', (_, make) => {
    const layer = new nn.Linear(4, 3);
    const optimizer = make([...layer.parameters()]);
    const step = () => {
      for (const param of layer.parameters()) param.grad = ones(param.shape);
      optimizer.step();
    };
    step();
    prune.l1Unstructured(layer, 'weight', 5);
    const values = layer.namedParameters().find(([name]) => name === 'weight_orig')?.[1] as nn.Parameter;
    for (let i = 0; i < 3; i++) step();
    expect(numbers(values).filter((x) => x === 0).length).toBe(5);
    prune.remove(layer, 'weight');
    step();
    expect(numbers(layer.weight).filter((x) => x === 0).length).toBe(0);
  });
});
