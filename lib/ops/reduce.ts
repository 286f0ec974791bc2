// Reductions over dimensions.
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { expand, reshape, resolveDim } from './views.ts';

function reduced(op: string, x: Tensor, dim: number | readonly number[] | null | undefined): number[] {
  if (dim === undefined || dim === null) return x.shape.map((_, i) => i);
  return (typeof dim === 'number' ? [dim] : dim).map((d) => resolveDim(op, d, x.rank));
}

/**
 * The sum over `dim` (one, several, or all by default); `keepdim` leaves them with size 1. As torch.sum.
 */
export const sum = defineOp('sum', {
  call:
    (run) =>
    (x: Tensor, dim?: number | readonly number[] | null, keepdim = false): Tensor =>
      run([x], { dims: reduced('sum', x, dim), keepdim }),
  grad: (ctx, dout): Grads => {
    const { shape } = ctx.inputMeta(0);
    const dims = ctx.attrs.dims as number[];
    const kept = shape.map((size, i) => (dims.includes(i) ? 1 : size));
    return [expand(reshape(dout, kept), shape)];
  },
  onnx: 'none',
});

/** Sums a broadcast result back to `shape`: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.rank - shape.length;
  const dims = x.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []));
  const summed = dims.length > 0 ? sum(x, dims, true) : x;
  return reshape(summed, shape);
}

declare module '../tensor.ts' {
  interface Tensor {
    sum(dim?: number | readonly number[] | null, keepdim?: boolean): Tensor;
  }
}

Tensor.prototype.sum = function (dim, keepdim) {
  return sum(this, dim, keepdim);
};
