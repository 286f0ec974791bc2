// Recurrent and attention layers: shapes, names, the recurrence step by step, gradients, memory, errors.
import { full, Generator, grad, memory, nn, normal, type Tensor, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const options = { dtype: 'f64', generator: new Generator(4) } as const;
const list = (t: Tensor): number[] => Array.from(t.dataSync(), Number);
const expectClose = (got: Tensor, expected: Tensor): void => {
  expect(got.shape).toEqual(expected.shape);
  const right = list(expected);
  list(got).forEach((value, i) => {
    expect(value).toBeCloseTo(right[i] as number, 10);
  });
};

test('an infinite first state of an LSTM leaves gradients that are differentiated again finite', () => {
  const drawn = new Generator(3);
  const weights = [[8, 3], [8, 2], [8], [8]].map((shape) =>
    normal(shape, 0, 1, { dtype: 'f64', generator: drawn }).abs(),
  );
  const x = normal([3, 1, 3], 0, 1, { dtype: 'f64', generator: drawn }).requiresGrad_();
  const h = full([1, 1, 2], Infinity, { dtype: 'f64' });
  const [once, again] = [false, true].map((createGraph) => {
    const [y] = nn.functional.lstm(x, [h, zeros([1, 1, 2], { dtype: 'f64' })], weights);
    return Array.from((grad(y.sum(), x, { createGraph })[0] as Tensor).dataSync(), Number);
  }) as [number[], number[]];
  again.forEach((value, i) => {
    expect(value).toBeCloseTo(once[i] as number, 12);
  });
});

describe('recurrent layers', () => {
  test('give outputs and last states, named as PyTorch names them', () => {
    const layer = new nn.LSTM(3, 5, { numLayers: 2, bidirectional: true, dropout: 0.5 });
    const [output, [h, c]] = layer.forward(zeros([7, 2, 3]));
    expect([output.shape, h.shape, c.shape]).toEqual([
      [7, 2, 10],
      [4, 2, 5],
      [4, 2, 5],
    ]);
    expect(Object.keys(layer.stateDict())).toEqual(
      [0, 1].flatMap((k) =>
        ['', '_reverse'].flatMap((side) =>
          ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((kind) => `${kind}_l${k}${side}`),
        ),
      ),
    );
    expect(layer.getSubmodule('')).toBe(layer);
    expect(layer.parameters()[8]?.shape).toEqual([20, 10]);
    expect(`${layer}`).toBe('LSTM(3, 5, numLayers=2, dropout=0.5, bidirectional=true)');
  });

  test('GRU takes the steps of its definition', () => {
    const layer = new nn.GRU(2, 3, { dtype: 'f64', batchFirst: true });
    const x = normal([4, 5, 2], 0, 1, options);
    const first = normal([1, 4, 3], 0, 1, options);
    const [output, last] = layer.forward(x, first);
    const [wi, wh, bi, bh] = layer.parameters() as [Tensor, Tensor, Tensor, Tensor];
    let h = first.select(0, 0);
    for (let t = 0; t < 5; t++) {
      const gates = nn.functional.linear(x.select(1, t), wi, bi).chunk(3, 1) as [Tensor, Tensor, Tensor];
      const hidden = nn.functional.linear(h, wh, bh).chunk(3, 1) as [Tensor, Tensor, Tensor];
      const [reset, update] = [0, 1].map((k) => (gates[k] as Tensor).add(hidden[k] as Tensor).sigmoid()) as [
        Tensor,
        Tensor,
      ];
      const fresh = gates[2].add(reset.mul(hidden[2])).tanh();
      h = update.mul(h).add(update.mul(-1).add(1).mul(fresh));
      expectClose(output.select(1, t), h);
    }
    expectClose(last.select(0, 0), h);
  });

  test('a plain one learns to repeat the sum of what it saw', async () => {
    const { Adam } = (await import('tilegrad')).optim;
    const model = new nn.RNN(1, 1, { nonlinearity: 'relu' });
    for (const parameter of model.parameters()) nn.init.constant_(parameter, 0.5);
    const optimizer = new Adam(model.parameters(), { lr: 0.05 });
    const x = tensor([[[1]], [[2]], [[0.5]]]);
    const target = tensor([[[1]], [[3]], [[3.5]]]);
    let loss = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 300; i++) {
      optimizer.zeroGrad();
      const error = nn.functional.mseLoss(model.forward(x)[0], target);
      error.backward();
      optimizer.step();
      loss = await error.item();
    }
    expect(loss).toBeLessThan(1e-3);
  });

  test('free what they made on the way', () => {
    const layer = new nn.LSTM(2, 3);
    const x = zeros([4, 1, 2]);
    const before = memory().liveTensors;
    const [output, [h, c]] = layer.forward(x);
    const loss = output.sum();
    loss.backward();
    layer.zeroGrad();
    for (const made of [output, h, c, loss]) made.dispose();
    expect(memory().liveTensors).toBe(before);
  });

  test('refuse what does not fit', () => {
    const layer = new nn.GRU(2, 3);
    expect(() => layer.forward(zeros([4, 2]))).toThrow('gru: the input must have 3 dimensions');
    expect(() => layer.forward(zeros([4, 1, 5]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => new nn.LSTM(2, 3, { numlayers: 2 } as object)).toThrow("did you mean 'numLayers'?");
    expect(() => new nn.RNN(2, 3, { nonlinearity: 'gelu' as never })).toThrow("must be 'tanh' or 'relu'");
    expect(() => nn.functional.gru(zeros([1, 1, 1]), zeros([1, 1, 1]), [])).toThrow('need 4 weights but have 0');
  });
});

describe('attention', () => {
  test('of one head without projections is the plain formula', () => {
    const [q, k, v] = [0, 1, 2].map(() => normal([2, 3, 4], 0, 1, options)) as [Tensor, Tensor, Tensor];
    const plain = nn.functional.softmax(q.matmul(k.transpose()).mul(0.5), -1).matmul(v);
    expectClose(nn.functional.scaledDotProductAttention(q, k, v), plain);
    const causal = nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true });
    expectClose(causal.select(1, 0), v.select(1, 0));
    expectClose(causal.select(1, 2), plain.select(1, 2));
  });

  test('as a layer, with masks, batch first and its state by PyTorch names', () => {
    const layer = new nn.MultiheadAttention(6, 2, { dtype: 'f64', batchFirst: true });
    expect(Object.keys(layer.stateDict())).toEqual([
      'in_proj_weight',
      'in_proj_bias',
      'out_proj.weight',
      'out_proj.bias',
    ]);
    const x = normal([2, 5, 6], 0, 1, options);
    const keyPaddingMask = tensor([
      [false, false, false, true, true],
      [false, false, false, false, false],
    ]);
    const [output, weights] = layer.forward(x, x, x, { keyPaddingMask });
    expect([output.shape, weights.shape]).toEqual([
      [2, 5, 6],
      [2, 5, 5],
    ]);
    const rows = weights.tolistSync() as number[][][];
    expect(rows[0]?.every((row) => row[3] === 0 && row[4] === 0)).toBe(true);
    for (const row of rows.flat()) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    output.sum().backward();
    expect(layer.inProjWeight.grad?.shape).toEqual([18, 6]);
    layer.setSubmodule('out_proj', new nn.Linear(6, 6, { dtype: 'f64', bias: false }));
    expect(layer.outProj.bias).toBeNull();
    expect(() => new nn.MultiheadAttention(6, 4)).toThrow('numHeads 4 does not divide embedDim 6');
    expect(() => layer.forward(x, x, x, { mask: x } as object)).toThrow("unknown option 'mask'");
  });
});
