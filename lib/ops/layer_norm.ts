// Normalization over the last dimensions: layer and root-mean-square normalization.
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { expectShape } from './arguments.ts';
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

const normalization = defineOp('layer_norm', {
  call: callNormalization,
  saves: { inputs: [0, 1], outputs: [1, 2] },
  differentiable: [0],
  grad: (ctx, dout): Grads =>
    normalizationGrads(
      ctx,
      dout,
      (given, weight) =>
        normalizationGrad(given, weight, {
          dims: ctx.attrs.dims as number,
          center: ctx.attrs.center as boolean,
          affine: ctx.needs(1) || ctx.needs(2),
        }),
      (above, x, weight) => gradients(above, x, weight, ctx.attrs),
    ),
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const { shape = [], dtype = 'f32' } = inputMeta[0] ?? {};
    const last = shape.slice(shape.length - (attrs.dims as number));
    const ones = Array<number>(last.reduce((a, b) => a * b, 1)).fill(1);
    const weight = inputMeta[1] ? (inputs[1] as string) : graph.constant(ones, dtype, last);
    const type = attrs.center ? 'LayerNormalization' : 'RMSNormalization';
    return graph.node(type, [inputs[0] as string, weight, ...(inputMeta[2] ? [inputs[2] as string] : [])], {
      axis: -last.length,
      epsilon: attrs.eps as number,
    });
  },
});

const normalizationGrad = defineOp('layer_norm_grad', {
  call: callNormalizationGrad,
  grad: 'none',
  onnx: 'none',
});

/** What the kernel of layer_norm_grad computes, as a function of x that has gradients. */
function gradients(dout: Tensor, x: Tensor, weight: Tensor | null, { dims, center, eps }: Attrs): Tensor[] {
  const all = [...x.shape.keys()];
  const over = all.slice(x.rank - (dims as number));
  const rows = all.slice(0, x.rank - (dims as number));
  const average = (v: Tensor): Tensor => mean(v, over, true);
  const standard = standardize(x, average, eps as number, center as boolean);
  const [normalized] = standard;
  const dx = standardizeGrad(weight ? mul(dout, weight) : dout, standard, average, center as boolean);
  const total = (v: Tensor): Tensor => (rows.length > 0 ? sum(v, rows) : v);
  return [dx, total(mul(dout, normalized)), total(dout)];
}

const listed = (shape: Shape): string => `[${shape.join(', ')}]`;

function checkLast(user: string, x: Tensor, shape: Shape): void {
  expectShape(user, shape);
  const last = x.shape.slice(Math.max(x.rank - shape.length, 0));
  if (shape.length === 0 || listed(last) !== listed(shape))
    throw new TilegradError('ERR_SHAPE', `${user}: the last dimensions of ${listed(x.shape)} are not ${listed(shape)}`);
}

/**
 * Mean 0 and variance 1 over the last dimensions, which must be `normalizedShape`, then weight and bias of that shape.
 * Throws ERR_SHAPE, ERR_DTYPE. As torch.nn.functional.layer_norm.
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, options: AffineOptions = {}): Tensor {
  checkOptions('layerNorm', options, ['weight', 'bias', 'eps']);
  const { weight = null, bias = null, eps = 1e-5 } = options;
  checkLast('layerNorm', x, normalizedShape);
  return normalization(x, weight, bias, { dims: normalizedShape.length, eps, center: true });
}

/**
 * x / sqrt(mean(x^2) + eps) over the last dimensions, which must be `normalizedShape`, times the weight of that shape.
 * Throws ERR_SHAPE, ERR_DTYPE. As torch.nn.functional.rms_norm, but with eps 1e-5 by default.
 */
export function rmsNorm(x: Tensor, normalizedShape: Shape, options: Omit<AffineOptions, 'bias'> = {}): Tensor {
  checkOptions('rmsNorm', options, ['weight', 'eps']);
  const { weight = null, eps = 1e-5 } = options;
  checkLast('rmsNorm', x, normalizedShape);
  return normalization(x, weight, null, { dims: normalizedShape.length, eps, center: false });
}
