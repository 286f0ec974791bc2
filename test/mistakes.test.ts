// What a person reads who makes the mistakes that people make: each text says what is wrong and, where it can, what to do.
import { describe, expect, test } from 'vitest';
import {
  add,
  cast,
  concat,
  conv2d,
  data,
  dropout,
  grad,
  linear,
  matmul,
  nn,
  ones,
  optim,
  rand,
  randn,
  sort,
  stack,
  sum,
  TilegradError,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from 'tilegrad';

const leaf = () => zeros([3], { requiresGrad: true });

// biome-ignore lint/suspicious/noExplicitAny: mistakes are what the types forbid
const any = (value: unknown): any => value;

const mistakes: [string, () => unknown, string][] = [
  [
    'a padding of three numbers',
    () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { padding: any([1, 2, 3]) }),
    "conv2d: padding must be a number, 2 or 4 of them, 'same' or 'valid' but is [1, 2, 3]",
  ],
  [
    'a padding mistyped',
    () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { padding: any('sane') }),
    "conv2d: padding must be a number, 2 or 4 of them, 'same' or 'valid' but is 'sane'",
  ],
  ['a product with a number', () => zeros([2, 2]).matmul(any(3)), 'matmul: b must be a tensor but is 3'],
  [
    'options in place of the gradient',
    () =>
      leaf()
        .sum()
        .backward(any({ retainGraph: true })),
    'backward: the gradient of the output must be a tensor but is an object; options stand behind it',
  ],
  [
    'a gradient of another dtype',
    () =>
      leaf()
        .sum()
        .backward(tensor(1, { dtype: 'f64' })),
    'backward: the gradient is f64 but the output f32',
  ],
  [
    'a mistyped option of backward',
    () =>
      leaf()
        .sum()
        .backward(null, any({ retain: true })),
    "backward: unknown option 'retain'; it has retainGraph, createGraph",
  ],
  [
    'options in place of a dimension',
    () => ones([2]).var(any({ correction: 0 })),
    'var: dim must be a dimension, a list of them, or null for all but is an object',
  ],
  [
    'a mistyped option of a loss',
    () => nn.functional.crossEntropy(zeros([1, 2]), zeros([1], { dtype: 'i64' }), any({ labelSmooth: 0.1 })),
    "crossEntropy: unknown option 'labelSmooth', did you mean 'labelSmoothing'?",
  ],
  [
    'a missing await',
    () => add(ones([1]), any(ones([1]).item())),
    'add: expects a tensor or a number but got a Promise (await it)',
  ],
  [
    'a missing await',
    () => tensor(any(ones([1]).item())),
    'tensor: found a Promise (await it) where a number was expected',
  ],
  [
    'an array',
    () => zeros([2]).add(any([1, 2])),
    'add: expects a tensor or a number but got [1, 2]; make it one with tensor()',
  ],
  [
    'a tensor again',
    () => tensor(any(zeros([2]))),
    'tensor: the data is a tensor already; use to(), cast() or detach()',
  ],
  [
    'rows of two lengths',
    () => tensor([[1, 2], [3]]),
    'tensor: the data is ragged at depth 1: expected 2 entries but found 1',
  ],
  ['a text', () => tensor(any('abc')), "tensor: found 'abc' where a number was expected"],
  ['sizes as arguments', () => zeros(any(2)), 'zeros: the shape must be a list such as [2, 3] but is 2'],
  ['sizes as arguments', () => ones(any(2)), 'ones: the shape must be a list such as [2, 3] but is 2'],
  ['sizes as arguments', () => rand(any(2)), 'rand: the shape must be a list such as [2, 3] but is 2'],
  ['sizes as arguments', () => randn(any(2)), 'randn: the shape must be a list such as [2, 3] but is 2'],
  [
    "PyTorch's name of a dtype",
    () => zeros([2], { dtype: any('float32') }),
    "unknown dtype float32, did you mean 'f32'?",
  ],
  [
    'an unknown device',
    () => zeros([2], { device: any('gpu') }),
    "unknown device 'gpu'; use 'cpu', 'cuda', 'cuda:1' or 'auto'",
  ],
  [
    'a mistyped option',
    () => tensor([1], any({ requireGrad: true })),
    "tensor: unknown option 'requireGrad', did you mean 'requiresGrad'?",
  ],
  ['a mistyped option', () => zeros([1], any({ dype: 'f64' })), "full: unknown option 'dype', did you mean 'dtype'?"],
  [
    'a mistyped option',
    () => randn([1], any({ generatr: null })),
    "normal: unknown option 'generatr', did you mean 'generator'?",
  ],
  [
    'a mistyped option',
    () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), any({ paddding: 1 })),
    "conv2d: unknown option 'paddding', did you mean 'padding'?",
  ],
  [
    'backward from many',
    () => leaf().mul(2).backward(),
    'backward: the output has shape [3] and not one element; reduce it with sum() or mean(), or give its gradient',
  ],
  [
    'backward from nothing',
    () => zeros([3]).sum().backward(),
    'backward: the output was not computed from a tensor that requires a gradient (requiresGrad: true), or was computed in noGrad()',
  ],
  [
    'backward twice',
    () => {
      const y = leaf().square().sum();
      y.backward();
      y.backward();
    },
    'backward: the graph was freed by an earlier pass; give that one { retainGraph: true }',
  ],
  [
    'item of many',
    () => zeros([3]).itemSync(),
    'itemSync: needs one element but the shape is [3]; use data() or tolist()',
  ],
  [
    'integers divided',
    () => tensor(new Int32Array([1])).div(2),
    "div: is defined for floating-point tensors, not for i32; cast it, for example with to('f32')",
  ],
  [
    'one tensor for a list',
    () => concat(any(zeros([2, 3]))),
    'concat: expects a list of tensors but got a tensor of shape [2, 3]',
  ],
  ['numbers for tensors', () => stack(any([1, 2])), 'stack: tensor 0 must be a tensor but is 1'],
  ['an operator', () => any(zeros([2])) * 2, 'a tensor has no operators: use add(), mul(), lt() and so on'],
  [
    'a model for its parameters',
    () => new optim.SGD(any(new nn.Linear(2, 2)), { lr: 0.1 }),
    'SGD: the parameters must be a list, such as model.parameters()',
  ],
  [
    'a list for a data set',
    () => new data.DataLoader(any([1, 2]), { batchSize: 2 }),
    'DataLoader: a dataset has `length` and `batch()` or `get()`; tensors become one by new TensorDataset({ ... })',
  ],
  [
    'a function for a layer',
    () =>
      new nn.Sequential(
        new nn.Linear(2, 2),
        any((x: Tensor) => x.relu()),
      ),
    'Sequential: member 1 is not a module but function',
  ],
  [
    'a promise in tidy',
    () => tidy(async () => zeros([2])),
    'tidy: the function returned a Promise; use a Scope for asynchronous code',
  ],
  [
    'gradients for other outputs',
    () => grad(leaf().sum(), [leaf()], { gradOutputs: [ones([]), ones([])] }),
    'grad: 2 gradOutputs for 1 outputs',
  ],
  ['an absent operand', () => matmul(zeros([2, 2]), any(undefined)), 'matmul: b must be a tensor but is undefined'],
  ['an absent input', () => linear(any(null), zeros([2, 2])), 'linear: input must be a tensor but is null'],
  [
    'an absent weight',
    () => conv2d(zeros([1, 1, 4, 4]), any(undefined)),
    'conv2d: weight must be a tensor but is undefined',
  ],
  ['a list for a tensor', () => sum(any([1, 2])), 'sum: input must be a tensor but is [1, 2]'],
  ['an absent input', () => any(sort)(), 'sort: input must be a tensor but is undefined'],
  ['an absent input', () => any(cast)(undefined, 'f64'), 'cast: input must be a tensor but is undefined'],
  [
    'options that are none',
    () => nn.functional.maxPool2d(zeros([1, 1, 4, 4]), 2, any(null)),
    'maxPool2d: options must be an object but is null',
  ],
  [
    'a number for options',
    () => nn.functional.layerNorm(zeros([2, 3]), [3], any(1e-5)),
    'layerNorm: options must be an object but is 0.00001',
  ],
  [
    'a mistyped option of dropout',
    () => dropout(zeros([2]), 0.5, any({ trainig: false })),
    "dropout: unknown option 'trainig', did you mean 'training'?",
  ],
  [
    'a disposed tensor',
    () => {
      const x = zeros([2]);
      x.dispose();
      x.add(1);
    },
    'add: the tensor of shape [2] was disposed',
  ],
];

describe('a mistake is told in words', () => {
  test.each(mistakes)('%s', (_, mistake, text) => {
    let error: unknown;
    try {
      mistake();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TilegradError);
    expect((error as TilegradError).message).toBe(text);
  });

  test('a tensor where a text is wanted prints', () => {
    expect(`x = ${ones([2])}`).toBe('x = tensor([1., 1.])');
  });
});
