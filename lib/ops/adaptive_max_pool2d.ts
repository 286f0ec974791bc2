// Maximum over windows of nearly equal size that cover the image.
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { zeros } from './full.ts';
import { scatterAdd } from './gather.ts';
import { adaptiveSize, onBatch } from './max_pool2d.ts';
import { reshape } from './views.ts';

type Size = number | readonly [number | null, number | null];

const adaptiveMaximum = defineOp('adaptive_max_pool2d', {
  call: (run) => (x: Tensor, size: readonly number[]) => run.all([x], { size }),
  saves: { outputs: [1] },
  differentiable: [0],
  grad: (ctx, dout): Grads => {
    const { shape, dtype, device } = ctx.inputMeta(0);
    const [n, c, h, w] = shape as readonly [number, number, number, number];
    const planes = (y: Tensor): Tensor => reshape(y, [n, c, (y.shape[2] as number) * (y.shape[3] as number)]);
    const sums = scatterAdd(zeros([n, c, h * w], { dtype, device }), 2, planes(ctx.output(1)), planes(dout));
    return [reshape(sums, shape)];
  },
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const [p, q] = attrs.size as readonly [number, number];
    const [h, w] = (inputMeta[0]?.shape ?? []).slice(2) as [number, number];
    if (p === 1 && q === 1) return graph.node('GlobalMaxPool', inputs);
    if (h % p !== 0 || w % q !== 0)
      throw new TilegradError(
        'ERR_UNSUPPORTED',
        `adaptive_max_pool2d: ONNX has no windows that differ in size ([${h}, ${w}] to [${p}, ${q}])`,
      );
    const kernel = [h / p, w / q];
    return graph.node('MaxPool', inputs, { kernel_shape: kernel, strides: kernel });
  },
});

/**
 * The largest values of windows of nearly equal size that cover images `x` (N, C, H, W) or (C, H, W), as (N, C, ...size):
 * the windows of {@link adaptiveAvgPool2d}, the maximum and the indices of {@link maxPool2d}. Throws as they do. As
 * torch.nn.functional.adaptive_max_pool2d.
 */
export function adaptiveMaxPool2d(
  x: Tensor,
  size: Size,
  options: { returnIndices: true },
): [values: Tensor, indices: Tensor];
export function adaptiveMaxPool2d(x: Tensor, size: Size, options?: { returnIndices?: false }): Tensor;
export function adaptiveMaxPool2d(
  x: Tensor,
  size: Size,
  options: { returnIndices?: boolean } = {},
): Tensor | [values: Tensor, indices: Tensor] {
  checkOptions('adaptiveMaxPool2d', options, ['returnIndices']);
  const [p, q] = adaptiveSize('adaptive_max_pool2d', size);
  const [values, indices] = onBatch('adaptive_max_pool2d', x, (batch) => {
    const found = adaptiveMaximum(batch, [p ?? (batch.shape[2] as number), q ?? (batch.shape[3] as number)]);
    if (options.returnIndices) return found;
    // The tape holds the places on its own account.
    found[1]?.dispose();
    return [found[0] as Tensor];
  }) as [Tensor, Tensor];
  return options.returnIndices ? [values, indices] : values;
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link adaptiveMaxPool2d}. */
    adaptiveMaxPool2d(size: Size): Tensor;
  }
}

Tensor.prototype.adaptiveMaxPool2d = function (size) {
  return adaptiveMaxPool2d(this, size);
};
