// The expressions of the goldens mean here what they mean in Python.
import { type Tensor, TilegradError, tensor } from 'tilegrad';
import { describe, expect, test } from 'vitest';
import { evaluate, type Semantics } from './support/python_evaluate.ts';
import { call, semantics, torchNames, Unsupported } from './support/torch_names.ts';

const plain: Semantics = {
  attribute: () => undefined,
  index: () => undefined,
  unary: () => undefined,
  binary: () => undefined,
};
const python = (text: string, names = {}) => evaluate(text, names, plain);

test.each([
  ['1 + 2 * 3', 7],
  ['-2 ** 2', -4],
  ['2 ** 3 ** 2', 512],
  ['2 ** -1', 0.5],
  ['7 // 2 - -7 // 2', 7],
  ['-7 % 3', 2],
  ['1e-3 + .5 + 1_000.', 1000.501],
  ['1 < 2 <= 2 != 3', true],
  ['1 if 0 else 2 if False else 3', 3],
  ['not 0 and (3 or 4)', 3],
  ['None is None', true],
  ['(1, 2) + (3,)', [1, 2, 3]],
  ['[1, *[2, 3], 4][-1]', 4],
  ['[1, 2, 3, 4, 5][1:4:2]', [2, 4]],
  ['[i * i for i in range(4) if i != 2]', [0, 1, 9]],
  ['[p + q for p, q in zip([1, 2], [3, 4])]', [4, 6]],
  ['(lambda a, b: a - b)(5, b=2)', 3],
  ["float('-inf')", Number.NEGATIVE_INFINITY],
  ["'it\\'s'", "it's"],
  ["a['x'][0] + len(a['y'])", 5],
  ['()', []],
])('%s', (text, value) => {
  expect(python(text, { a: { x: [3], y: [1, 2] } })).toEqual(value);
});

test.each(['1 +', 'f(', 'x y', '1 ? 2', '[1', 'lambda: '])('%s is no expression', (text) => {
  expect(() => python(text)).toThrow(/^python: /);
});

describe('names of torch', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], dtype: 'f64' });
  const run = (text: string): unknown => evaluate(text, { ...torchNames, x, a: { dim: 0 } }, semantics);
  const list = (text: string): unknown => (run(text) as Tensor).tolistSync();

  test.each([
    [
      'x + x * 2',
      [
        [3, 6, 9],
        [12, 15, 18],
      ],
    ],
    [
      '2 * x',
      [
        [2, 4, 6],
        [8, 10, 12],
      ],
    ],
    ['x.sum(-1, keepdim=True)', [[6], [15]]],
    ["torch.sum(x, dim=a['dim'])", [5, 7, 9]],
    ['x[1]', [4, 5, 6]],
    [
      'x[:, 1:]',
      [
        [2, 3],
        [5, 6],
      ],
    ],
    ['x[..., -1]', [3, 6]],
    ['x[None, 0, ::2]', [[1, 3]]],
    ['x.permute(1, 0)[0]', [1, 4]],
    ['x.reshape(-1)[1:3]', [2, 3]],
    [
      'F.relu(x).detach().clone()',
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ],
    ['torch.cat([x, x], dim=1)[0]', [1, 2, 3, 1, 2, 3]],
    ['torch.ones(2, dtype=x.dtype)', [1, 1]],
  ])('%s', (text, value) => {
    expect(list(text)).toEqual(value);
  });

  test('that tilegrad does not have are told apart from mistakes', () => {
    expect(() => run('torch.no_such_function(x)')).toThrow(Unsupported);
    expect(() => call('no_such_function', [x])).toThrow('no_such_function');
    expect(() => run('torch.sum(x, 7)')).toThrow(TilegradError);
    expect(run('(x @ x.T).shape')).toEqual([2, 2]);
  });
});
