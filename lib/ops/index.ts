// Table of contents: every room of lib/ops, one line each.
export type { FusedActivation } from './activation_gradients.ts';
export * from './activations.ts';
export * from './adaptive_max_pool2d.ts';
export * from './arange.ts';
export * from './assign.ts';
export * from './avg_pool2d.ts';
export * from './batch_norm.ts';
export * from './cast.ts';
export * from './cdist.ts';
import './clip_grad_norm.ts';
export * from './comparisons.ts';
export * from './concat.ts';
export * from './conv1d.ts';
export {
  type Conv2dEpilogue,
  type Conv2dOptions,
  conv2d,
  isWinogradEnabled,
  setWinograd,
} from './conv2d.ts';
export * from './conv_transpose2d.ts';
export * from './cross_entropy.ts';
export * from './dims.ts';
export * from './dropout.ts';
export * from './einsum.ts';
export * from './elementwise.ts';
export * from './extremes.ts';
export * from './flip.ts';
export * from './full.ts';
export * from './gather.ts';
export * from './gather_rows.ts';
export * from './group_norm.ts';
export * from './index_select.ts';
export * from './indexing.ts';
export * from './int8_conv2d.ts';
export * from './int8_matmul.ts';
export * from './layer_norm.ts';
import './losses.ts';
export * from './math.ts';
export * from './matmul.ts';
export { type MaxPool2dOptions, maxPool2d, type PoolPadding, type PoolPair } from './max_pool2d.ts';
export * from './moments.ts';
export type { AffineOptions } from './normalization.ts';
export * from './one_hot.ts';
export type { Binary, Operand, Unary } from './operand.ts';
export * from './optimizer.ts';
export * from './pad.ts';
export * from './parts.ts';
export * from './pooling.ts';
export * from './product_sums.ts';
export * from './prune.ts';
export * from './quantize.ts';
export {
  type Bernoulli,
  bernoulli,
  normal,
  type RandomOptions,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  uniform,
} from './random.ts';
import './recurrent.ts';
export * from './reduce.ts';
export * from './rounding.ts';
export * from './semi_structured.ts';
export * from './softmax.ts';
export * from './sort.ts';
export * from './sparse.ts';
export * from './to.ts';
export * from './triangle.ts';
export { contiguous, expand, permute, reshape, slice, transpose } from './views.ts';

import { checkAllDefined } from '../op.ts';

checkAllDefined();
