// What the names of the goldens' expressions mean: `torch`, `F`, tensors and their methods, mapped onto tilegrad's public
// functions by name (torch.log_softmax is logSoftmax) and by the table of how their arguments are passed.
import * as tilegrad from 'tilegrad';
import { type DType, Tensor } from 'tilegrad';
import { ellipsis } from './python.ts';
import { type Names, type PythonFunction, type Semantics, Slice } from './python_evaluate.ts';

/** A function or an option that tilegrad does not have (yet). */
export class Unsupported extends Error {}

/**
 * Names of the parameters in torch's order, where a call is more than the positions as they come and named ones as options:
 * those before | are passed by position, those behind it as options. A * takes numbers one by one or as a list.
 */
const signatures: Readonly<Record<string, string>> = {
  adaptive_avg_pool1d: 'input output_size',
  adaptive_avg_pool2d: 'input output_size',
  adaptive_max_pool2d: 'input output_size | return_indices',
  addcdiv: 'input tensor1 tensor2 | value',
  addcmul: 'input tensor1 tensor2 | value',
  addmm: 'input mat1 mat2 | beta alpha',
  all: 'input dim keepdim',
  amax: 'input dim keepdim',
  amin: 'input dim keepdim',
  any: 'input dim keepdim',
  argmax: 'input dim keepdim',
  argmin: 'input dim keepdim',
  avg_pool1d: 'input kernel_size | stride padding ceil_mode count_include_pad',
  avg_pool2d: 'input kernel_size | stride padding ceil_mode count_include_pad divisor_override',
  avg_pool3d: 'input kernel_size | stride padding ceil_mode count_include_pad divisor_override',
  batch_norm: 'input running_mean running_var | weight bias training momentum eps',
  binary_cross_entropy: 'input target | weight size_average reduce reduction',
  binary_cross_entropy_with_logits: 'input target | weight size_average reduce reduction pos_weight',
  broadcast_to: 'input size',
  cdist: 'x1 x2 | p',
  celu: 'input | alpha',
  chunk: 'input chunks dim',
  clamp: 'input min max',
  concat: 'tensors dim',
  conv1d: 'input weight | bias stride padding dilation groups',
  conv2d: 'input weight | bias stride padding dilation groups',
  conv3d: 'input weight | bias stride padding dilation groups',
  conv_transpose1d: 'input weight | bias stride padding output_padding groups dilation',
  conv_transpose2d: 'input weight | bias stride padding output_padding groups dilation',
  conv_transpose3d: 'input weight | bias stride padding output_padding groups dilation',
  cosine_embedding_loss: 'input1 input2 target | margin size_average reduce reduction',
  cosine_similarity: 'x1 x2 | dim eps',
  cross_entropy: 'input target | weight size_average ignore_index reduce reduction label_smoothing',
  cumprod: 'input dim',
  cumsum: 'input dim',
  diagonal: 'input offset dim1 dim2',
  dropout: 'input p training',
  elu: 'input | alpha',
  embedding: 'input weight | padding_idx max_norm norm_type scale_grad_by_freq',
  expand: 'input *size',
  flatten: 'input start_dim end_dim',
  flip: 'input *dims',
  fold: 'input output_size kernel_size | dilation padding stride',
  gather: 'input dim index',
  gelu: 'input | approximate',
  glu: 'input dim',
  group_norm: 'input num_groups | weight bias eps',
  hardshrink: 'input lambd',
  hardtanh: 'input | min_val max_val',
  huber_loss: 'input target | reduction delta',
  interpolate: 'input | size scale_factor mode align_corners',
  index_select: 'input dim index',
  kl_div: 'input target | size_average reduce reduction log_target',
  kthvalue: 'input k dim keepdim',
  l1_loss: 'input target | size_average reduce reduction',
  layer_norm: 'input normalized_shape | weight bias eps',
  leaky_relu: 'input | negative_slope',
  linear: 'input weight bias',
  lp_pool2d: 'input norm_type kernel_size | stride ceil_mode',
  max_unpool2d: 'input indices kernel_size | stride padding output_size',
  log_softmax: 'input dim',
  logsumexp: 'input dim keepdim',
  margin_ranking_loss: 'input1 input2 target | margin size_average reduce reduction',
  masked_fill: 'input mask value',
  max_pool1d: 'input kernel_size | stride padding dilation ceil_mode return_indices',
  max_pool2d: 'input kernel_size | stride padding dilation ceil_mode return_indices',
  max_pool3d: 'input kernel_size | stride padding dilation ceil_mode return_indices',
  mean: 'input dim keepdim',
  median: 'input dim keepdim',
  movedim: 'input source destination',
  mse_loss: 'input target | size_average reduce reduction',
  multi_margin_loss: 'input target | p margin weight size_average reduce reduction',
  narrow: 'input dim start length',
  nll_loss: 'input target | weight size_average ignore_index reduce reduction',
  norm: 'input p dim keepdim',
  normalize: 'input | p dim eps out',
  one_hot: 'input num_classes',
  pad: 'input pad | mode value',
  pairwise_distance: 'x1 x2 | p eps keepdim',
  permute: 'input *dims',
  poisson_nll_loss: 'input target | log_input full size_average eps reduce reduction',
  pow: 'input exponent',
  prod: 'input dim keepdim',
  repeat: 'input *repeats',
  repeat_interleave: 'input repeats dim',
  reshape: 'input *shape',
  roll: 'input shifts dims',
  scatter: 'input dim index src',
  scatter_add: 'input dim index src',
  select: 'input dim index',
  smooth_l1_loss: 'input target | size_average reduce reduction beta',
  softmax: 'input dim',
  softmin: 'input dim',
  softplus: 'input | beta threshold',
  softshrink: 'input lambd',
  sort: 'input dim | descending stable',
  split: 'input split_size dim',
  squeeze: 'input dim',
  stack: 'tensors dim',
  std: 'input dim | correction keepdim',
  sum: 'input dim keepdim',
  take: 'input index',
  threshold: 'input threshold value',
  tile: 'input *dims',
  topk: 'input k dim | largest sorted',
  transpose: 'input dim0 dim1',
  tril: 'input diagonal',
  triplet_margin_loss: 'anchor positive negative | margin p eps swap size_average reduce reduction',
  triu: 'input diagonal',
  unbind: 'input dim',
  unflatten: 'input dim sizes',
  unfold: 'input kernel_size | dilation padding stride',
  unsqueeze: 'input dim',
  var: 'input dim | correction keepdim',
  where: 'condition input other',
};

/** Other names for the same function. */
const synonyms: Readonly<Record<string, string>> = {
  absolute: 'abs',
  arccos: 'acos',
  arcsin: 'asin',
  arctan: 'atan',
  cat: 'concat',
  clip: 'clamp',
  concatenate: 'concat',
  divide: 'div',
  greater: 'gt',
  less: 'lt',
  mm: 'matmul',
  bmm: 'matmul',
  mv: 'matmul',
  dot: 'matmul',
  multiply: 'mul',
  negative: 'neg',
  subtract: 'sub',
  swapaxes: 'transpose',
  true_divide: 'div',
  type_as: 'to',
  view: 'reshape',
};

const operators: Readonly<Record<string, string>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '//': 'floor_divide',
  '**': 'pow',
  '@': 'matmul',
  '%': 'remainder',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  '==': 'eq',
  '!=': 'ne',
  '&': 'logical_and',
  '|': 'logical_or',
  '^': 'logical_xor',
};

const torchDtypes: Readonly<Record<string, DType>> = {
  float32: 'f32',
  float: 'f32',
  float64: 'f64',
  double: 'f64',
  float16: 'f16',
  half: 'f16',
  bfloat16: 'bf16',
  int64: 'i64',
  long: 'i64',
  int32: 'i32',
  int: 'i32',
  int8: 'i8',
  uint8: 'u8',
  bool: 'bool',
};

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

type Callable = (...args: unknown[]) => unknown;

/** tilegrad's function of the name; throws Unsupported where there is none. */
function tilegradFunction(name: string): Callable {
  const functional = (tilegrad.nn as { functional?: object }).functional ?? {};
  const key = camelCase(name);
  for (const place of [tilegrad, functional] as Record<string, unknown>[])
    if (typeof place[key] === 'function') return place[key] as Callable;
  throw new Unsupported(name);
}

/** Pairs of values and indices come as arrays, whatever the function names them. */
function asTuple(result: unknown): unknown {
  if (result instanceof Tensor || Array.isArray(result) || typeof result !== 'object' || result === null) return result;
  return Object.values(result);
}

function passed(signature: string, args: readonly unknown[], named: Readonly<Record<string, unknown>>): unknown[] {
  const [byPlace = '', options] = signature.split('|');
  const names = byPlace.trim().split(/\s+/);
  const optionNames = options?.trim().split(/\s+/) ?? [];
  const given: Record<string, unknown> = { ...named };
  [...names, ...optionNames].forEach((name, i) => {
    if (name.startsWith('*') && args.length > i) given[name] = Array.isArray(args[i]) ? args[i] : args.slice(i);
    else if (!name.startsWith('*') && i < args.length) given[name] = args[i];
  });
  const values = names.map((name) => given[name] ?? given[name.replace('*', '')]);
  while (values.length > 0 && values.at(-1) === undefined) values.pop();
  const rest = Object.entries(given).filter(
    ([name, value]) => !names.includes(name) && !names.includes(`*${name}`) && value !== null && name !== 'inplace',
  );
  if (rest.length === 0) return values;
  while (values.length < names.length) values.push(undefined);
  return [...values, Object.fromEntries(rest.map(([name, value]) => [camelCase(name), value]))];
}

/** Functions whose arguments differ in more than their places. */
const special: Readonly<Record<string, PythonFunction>> = {
  clone: ([x]) => tilegradFunction('mul')(x, 1),
  detach: ([x]) => (x as Tensor).detach(),
  size: ([x, dim]) => (dim === undefined ? (x as Tensor).shape : (x as Tensor).size(dim as number)),
  dim: ([x]) => (x as Tensor).rank,
  numel: ([x]) => (x as Tensor).numel,
  t: ([x]) => tilegradFunction('transpose')(x, 0, 1),
  zeros: (args, { dtype }) => tilegradFunction('zeros')(args.flat(), { dtype }),
  ones: (args, { dtype }) => tilegradFunction('ones')(args.flat(), { dtype }),
  full: ([size, value], { dtype }) => tilegradFunction('full')(size, value, { dtype }),
  tensor: ([data], { dtype }) => tilegrad.tensor(data as number[], { dtype: dtype as DType | undefined }),
  square: ([x]) => tilegradFunction('mul')(x, x),
  masked_select: ([x, mask]) => tilegrad.index(x as Tensor, mask as Tensor),
  lstm: (args) => recurrent('lstm', args),
  gru: (args) => recurrent('gru', args),
  rnn_tanh: (args) => recurrent('rnn_tanh', args),
  sdpa: ([q, k, v, attnMask, isCausal, scale], named) =>
    tilegradFunction('scaled_dot_product_attention')(q, k, v, {
      attnMask: named.mask ?? attnMask,
      isCausal: named.causal ?? isCausal,
      scale: named.scale ?? scale,
    }),
  mha: ([q, k, v, inWeight, inBias, outWeight, outBias, heads], named) => {
    const options = { attnMask: named.attn_mask, keyPaddingMask: named.key_padding_mask };
    const weights = { inWeight, inBias, outWeight, outBias };
    return tilegradFunction('multi_head_attention')(q, k, v, heads, weights, options);
  },
  max: (args, named) => largest('max', args, named),
  min: (args, named) => largest('min', args, named),
};

/** torch.lstm and its like, whose settings come by their places. */
function recurrent(name: string, args: readonly unknown[]): unknown {
  const [x, state, weights, hasBiases, numLayers, dropout, training, bidirectional, batchFirst] = args;
  const options = { hasBiases, numLayers, dropout, training, bidirectional, batchFirst };
  return tilegradFunction(name)(x, state, weights, options);
}

/** torch.max: over everything, along a dimension with indices, or of two tensors. */
function largest(name: 'max' | 'min', args: readonly unknown[], named: Readonly<Record<string, unknown>>): unknown {
  if (args[1] instanceof Tensor) return call(name === 'max' ? 'maximum' : 'minimum', args, named);
  const [x, dim = named.dim, keepdim = named.keepdim] = args;
  return asTuple(tilegradFunction(name)(x, ...(dim === undefined ? [] : [dim, keepdim])));
}

/** Calls torch's function `name` as tilegrad's. */
export function call(name: string, args: readonly unknown[], named: Readonly<Record<string, unknown>> = {}): unknown {
  const key = synonyms[name] ?? name;
  const own = special[key];
  if (own) return own(args, named);
  const signature =
    signatures[key] ?? (Object.keys(named).length > 0 ? `${args.map((_, i) => i).join(' ')} |` : undefined);
  return asTuple(tilegradFunction(key)(...(signature === undefined ? args : passed(signature, args, named))));
}

class Namespace {
  readonly attribute: (name: string) => unknown;

  constructor(attribute: (name: string) => unknown) {
    this.attribute = attribute;
  }
}

const functionNamed =
  (name: string): PythonFunction =>
  (args, named) =>
    call(name, args, named);

const torch = new Namespace((name) => {
  if (name in torchDtypes) return torchDtypes[name];
  if (name === 'inf') return Number.POSITIVE_INFINITY;
  if (name === 'nan') return Number.NaN;
  if (name === 'pi') return Math.PI;
  if (name === 'nn') return new Namespace(() => functional);
  return functionNamed(name);
});
const functional = new Namespace(functionNamed);
const math = new Namespace((name) => {
  const value = (Math as unknown as Record<string, unknown>)[name === 'pi' ? 'PI' : name];
  return typeof value === 'function' ? ([x]: readonly unknown[]) => value(x) : value;
});

/** x[1:, ..., None, 0] as index(x, '1:', '...', null, 0). */
function indexed(x: Tensor, items: readonly unknown[]): Tensor {
  const entries = items.map((item) => {
    if (item === ellipsis) return '...';
    if (!(item instanceof Slice)) return item as tilegrad.Index;
    const step = item.step === null ? '' : `:${item.step}`;
    return `${item.start ?? ''}:${item.stop ?? ''}${step}`;
  });
  return tilegrad.index(x, ...entries);
}

export const semantics: Semantics = {
  attribute(of, name) {
    if (of instanceof Namespace) return of.attribute(name);
    if (Array.isArray(of)) return name === 'values' ? of[0] : name === 'indices' ? of[1] : undefined;
    if (!(of instanceof Tensor)) return undefined;
    if (name === 'shape') return [...of.shape];
    if (name === 'dtype') return of.dtype;
    if (name === 'ndim') return of.rank;
    if (name === 'T' || name === 'mT') return of.transpose();
    if (name === 'to') return ([dtype]: readonly unknown[]) => converted(of, dtype);
    if (name in torchDtypes) return () => converted(of, torchDtypes[name]);
    const method: PythonFunction = (args, named) => call(name, [of, ...args], named);
    return method;
  },
  index: (of, items) => (of instanceof Tensor ? indexed(of, items) : undefined),
  unary(op, of) {
    if (!(of instanceof Tensor)) return undefined;
    if (op === '+') return of;
    return call(op === '-' ? 'neg' : 'logical_not', [of]);
  },
  binary(op, a, b) {
    if (!(a instanceof Tensor || b instanceof Tensor)) return undefined;
    const name = operators[op];
    if (!name) throw new Unsupported(`operator ${op}`);
    return call(name, [a, b]);
  },
};

function converted(x: Tensor, dtype: unknown): unknown {
  const target = dtype instanceof Tensor ? dtype.dtype : dtype;
  return target === x.dtype ? x : tilegradFunction('to')(x, target);
}

/** The helpers that the goldens' README defines, beside torch itself. */
export const torchNames: Names = {
  torch,
  F: functional,
  math,
  grad: ([y, x]: readonly [Tensor, Tensor]) => {
    const ones = tilegrad.ones(y.shape, { dtype: y.dtype });
    return tilegrad.grad(y, x, { gradOutputs: [ones], createGraph: true })[0];
  },
  mha: functionNamed('mha'),
  sdpa: functionNamed('sdpa'),
  enc_layer: functionNamed('enc_layer'),
};
