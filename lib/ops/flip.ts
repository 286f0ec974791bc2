// Elements in the opposite order.
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';

/**
 * The elements in the opposite order along `dims`, as a copy. Throws ERR_ARGUMENT for a dimension that `x` does not
 * have or that is named twice. As torch.flip.
 */
export const flip = defineOp('flip', {
  call:
    (run) =>
    (x: Tensor, dims: number | readonly number[]): Tensor =>
      run([x], { dims: typeof dims === 'number' ? [dims] : dims }),
  grad: (ctx, dout): Grads => [flip(dout, ctx.attrs.dims as readonly number[])],
  onnx: (graph, { inputs, attrs, outputMeta }) => {
    const dims = attrs.dims as readonly number[];
    const rank = outputMeta[0]?.shape.length ?? 0;
    const axes = dims.map((d) => (d < 0 ? d + rank : d));
    const all = (value: number) =>
      graph.constant(
        axes.map(() => value),
        'i64',
      );
    // From the end to before the beginning, which no position names: a number far below every one does.
    return graph.node('Slice', [inputs[0] as string, all(-1), all(-(2 ** 52)), graph.constant(axes, 'i64'), all(-1)]);
  },
});

/** {@link flip} of the columns (dimension 1). As torch.fliplr. */
export function fliplr(x: Tensor): Tensor {
  if (x.rank < 2) throw new TilegradError('ERR_SHAPE', `fliplr: needs at least 2 dimensions but has ${x.rank}`);
  return flip(x, 1);
}

/** {@link flip} of the rows (dimension 0). As torch.flipud. */
export function flipud(x: Tensor): Tensor {
  return flip(x, 0);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link flip}. */
    flip(dims: number | readonly number[]): Tensor<S>;
  }
}

Tensor.prototype.flip = function (dims) {
  return flip(this, dims);
};
