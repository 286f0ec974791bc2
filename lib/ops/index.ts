// Table of contents: every room of lib/ops, one line each.
export * from './activations.ts';
export * from './arange.ts';
export * from './assign.ts';
export * from './avg_pool2d.ts';
export * from './batch_norm.ts';
export * from './cast.ts';
export * from './comparisons.ts';
export * from './concat.ts';
export * from './conv2d.ts';
export * from './dropout.ts';
export * from './cross_entropy.ts';
export * from './elementwise.ts';
export * from './extremes.ts';
export * from './flip.ts';
export * from './full.ts';
export * from './gather_rows.ts';
export * from './int8_conv2d.ts';
export * from './int8_matmul.ts';
export * from './matmul.ts';
export * from './optimizer.ts';
export * from './random.ts';
export { type MaxPool2dOptions, maxPool2d, type PoolPadding, type PoolPair } from './max_pool2d.ts';
export * from './prune.ts';
export * from './pad.ts';
export * from './quantize.ts';
export * from './math.ts';
export * from './matmul.ts';
export type { Operand } from './operand.ts';
export * from './moments.ts';
export * from './reduce.ts';
export * from './softmax.ts';
export * from './to.ts';
export * from './triangle.ts';
export * from './views.ts';

import { checkAllDefined } from '../op.ts';

checkAllDefined();
