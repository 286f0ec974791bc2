// Normalization of each sample over groups of channels.
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import {
  type AffineOptions,
  callNormalization,
  callNormalizationGrad,
  normalizationGrads,
  standardize,
  standardizeGrad,
} from './normalization.ts';
import { mean, sum } from './reduce.ts';
import { reshape } from './views.ts';

const normalization = defineOp('group_norm', {
  call: callNormalization,
  saves: { inputs: [0, 1], outputs: [1, 2] },
  differentiable: [0],
  grad: (ctx, dout): Grads =>
    normalizationGrads(
      ctx,
      dout,
      (given, weight) => normalizationGrad(given, weight, { groups: ctx.attrs.groups as number }),
      (above, x, weight) => gradients(above, x, weight, ctx.attrs),
    ),
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const { shape = [], dtype = 'f32' } = inputMeta[0] ?? {};
    const filled = (i: number, value: number): string =>
      inputMeta[i] ? (inputs[i] as string) : graph.constant(Array<number>(shape[1] ?? 0).fill(value), dtype);
    return graph.node('GroupNormalization', [inputs[0] as string, filled(1, 1), filled(2, 0)], {
      num_groups: attrs.groups as number,
      epsilon: attrs.eps as number,
    });
  },
});

const normalizationGrad = defineOp('group_norm_grad', {
  call: callNormalizationGrad,
  grad: 'none',
  onnx: 'none',
});

/** What the kernel of group_norm_grad computes, as a function of x that has gradients. */
function gradients(dout: Tensor, x: Tensor, weight: Tensor | null, { groups, eps }: Attrs): Tensor[] {
  const [samples, channels] = x.shape as [number, number];
  const inner = x.shape.slice(2).reduce((a, b) => a * b, 1);
  const grouped = (v: Tensor): Tensor => reshape(v, [samples, groups as number, channels / (groups as number), inner]);
  const average = (v: Tensor): Tensor => mean(v, [2, 3], true);
  const standard = standardize(grouped(x), average, eps as number);
  const [normalized] = standard;
  const along = weight && reshape(weight, [1, groups as number, channels / (groups as number), 1]);
  const above = grouped(dout);
  const given = along ? mul(above, along) : above;
  const dx = standardizeGrad(given, standard, average);
  const total = (v: Tensor): Tensor => reshape(sum(v, [0, 3]), [channels]);
  return [reshape(dx, x.shape), total(mul(above, normalized)), total(above)];
}

/**
 * Mean 0 and variance 1 for each sample over each of `groups` groups of channels of x (N, C, ...), then weight (C) and bias
 * (C). Throws ERR_SHAPE, ERR_DTYPE. As torch.nn.functional.group_norm.
 */
export function groupNorm(x: Tensor, groups: number, options: AffineOptions = {}): Tensor {
  checkOptions('groupNorm', options, ['weight', 'bias', 'eps']);
  const { weight = null, bias = null, eps = 1e-5 } = options;
  const channels = x.shape[1];
  if (channels === undefined || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `groupNorm: ${groups} groups do not divide the channels of [${x.shape.join(', ')}]`,
    );
  return normalization(x, weight, bias, { groups, eps });
}
