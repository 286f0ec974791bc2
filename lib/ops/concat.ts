// Joining tensors.
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensors, resolveDim } from './arguments.ts';
import { reshape, slice } from './views.ts';

/**
 * Tensors of one dtype, one after the other along `dim`; the other dimensions must agree. As torch.cat.
 */
export const concat = defineOp('concat', {
  call:
    (run) =>
    (tensors: readonly Tensor[], dim = 0): Tensor => {
      expectTensors('concat', tensors);
      return run(tensors, { dim });
    },
  grad: (ctx, dout): Grads => {
    const dim = resolveDim('concat', ctx.attrs.dim as number, dout.rank);
    let start = 0;
    return Array.from({ length: ctx.inputCount }, (_, i) => {
      const begin = start;
      start += ctx.inputMeta(i).shape[dim] as number;
      if (!ctx.needs(i)) return null;
      const stops = dout.shape.map((size, d) => (d === dim ? start : size));
      return slice(
        dout,
        dout.shape.map((_size, d) => (d === dim ? begin : 0)),
        stops,
      );
    });
  },
  onnx: (graph, { inputs, attrs }) => graph.node('Concat', inputs, { axis: attrs.dim as number }),
});

/** Tensors of one shape along a new dimension `dim`. As torch.stack. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  expectTensors('stack', tensors);
  const first = tensors[0];
  if (!first) throw new TilegradError('ERR_ARGUMENT', 'stack: needs at least one tensor');
  const at = resolveDim('stack', dim, first.rank + 1);
  return concat(
    tensors.map((x) => reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])),
    at,
  );
}
