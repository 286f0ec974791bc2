// Layers folded into one for evaluation.
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { add, assign, mul, reshape, rsqrt, sub } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import { BatchNorm2d } from './batch_norm.ts';
import { Sequential } from './containers.ts';
import { Conv2d } from './conv.ts';
import { isPlain } from './fused_layers.ts';
import { Identity } from './linear.ts';
import type { AnyModule, Module } from './module.ts';

/**
 * One Conv2d that computes what `conv` and then `bn` compute in evaluation: weight and bias are scaled by bn's weight over
 * the deviation of each channel. Both stay as they are. Throws ERR_ARGUMENT where one is in training, where bn has no
 * running statistics or other channels. As torch.nn.utils.fusion.fuse_conv_bn_eval.
 */
export function fuseConvBnEval(conv: Conv2d, bn: BatchNorm2d): Conv2d {
  const { runningMean, runningVar } = bn;
  if (conv.training || bn.training)
    throw new TilegradError('ERR_ARGUMENT', 'fuseConvBnEval: a layer is in training; call eval() first');
  if (!runningMean || !runningVar)
    throw new TilegradError('ERR_ARGUMENT', 'fuseConvBnEval: the batch normalization has no running statistics');
  if (bn.numFeatures !== conv.outChannels)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `fuseConvBnEval: the convolution gives ${conv.outChannels} channels but the batch normalization takes ${bn.numFeatures}`,
    );
  const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, paddingMode } = conv;
  const { dtype, device } = conv.weight;
  const place = { stride, padding, dilation, groups, paddingMode, dtype, device };
  const fused = new Conv2d(inChannels, outChannels, kernelSize, place);
  fused.eval();
  noGrad(() =>
    tidy(() => {
      let scale = rsqrt(add(runningVar, bn.eps));
      if (bn.weight) scale = mul(scale, bn.weight);
      const mean = conv.bias ? sub(conv.bias, runningMean) : mul(runningMean, -1);
      const bias = mul(mean, scale);
      assign(fused.weight, mul(conv.weight, reshape(scale, [-1, 1, 1, 1])));
      assign(fused.bias as NonNullable<typeof fused.bias>, bn.bias ? add(bias, bn.bias) : bias);
    }),
  );
  return fused;
}

/**
 * Folds each BatchNorm2d that stands behind a Conv2d in a Sequential, at any depth of `model`, into the convolution; an
 * Identity takes its place, so that the names of the other layers stay. For evaluation: throws ERR_ARGUMENT where one of
 * them is in training. Layers with hooks and layers that stand in several places are left alone. Returns the number of folded layers. As
 * torch.fx.experimental.optimization.fuse in place.
 */
export function fuse_(model: AnyModule): number {
  let count = 0;
  const uses = new Map<AnyModule, number>();
  const sequences = model.modules().filter((module) => module instanceof Sequential);
  for (const sequence of sequences) for (const layer of sequence) uses.set(layer, (uses.get(layer) ?? 0) + 1);
  for (const sequence of sequences) {
    const layers = [...sequence._members()];
    for (let i = 0; i + 1 < layers.length; i++) {
      const [name, conv] = layers[i] as [string, Module];
      const [nextName, bn] = layers[i + 1] as [string, Module];
      if (!isPlain(conv, Conv2d) || !isPlain(bn, BatchNorm2d)) continue;
      if (uses.get(conv) !== 1 || uses.get(bn) !== 1 || !bn.runningMean) continue;
      sequence._put(name, fuseConvBnEval(conv, bn));
      const nothing = new Identity();
      nothing.eval();
      sequence._put(nextName, nothing);
      count += 1;
    }
  }
  return count;
}
