// What the reductions share: the dimensions that they take, and the shapes that these leave.
import { describeValue, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import type { OnnxCall, OnnxGraph, Run } from '../op.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { expectTensor, resolveDim } from './arguments.ts';
import { cast } from './cast.ts';
import { reshape } from './views.ts';

/** One dimension, several, or all (undefined, null or an empty list). */
export type Dims = number | readonly number[] | null | undefined;

/** The dimensions as a list of numbers that are not negative. @internal */
export function reducedDims(op: string, x: Tensor, dim: Dims): number[] {
  expectTensor(op, 'input', x);
  if (typeof dim === 'number') return x.rank === 0 && resolveDim(op, dim, 0) === 0 ? [] : [resolveDim(op, dim, x.rank)];
  if (dim === undefined || dim === null || dim.length === 0) return x.shape.map((_, i) => i);
  if (!Array.isArray(dim))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${op}: dim must be a dimension, a list of them, or null for all but is ${describeValue(dim)}`,
    );
  return dim.map((d) => resolveDim(op, d, x.rank));
}

/** Shapes the signature (x, dim, keepdim) of most reductions. @internal */
export const reduction =
  (op: string) =>
  (run: Run) =>
  (x: Tensor, dim?: Dims, keepdim = false): Tensor =>
    run([x], { dims: reducedDims(op, x, dim), keepdim });

/** A result of the reduction with the reduced dimensions back at size 1. @internal */
export function unreduced(y: Tensor, shape: Shape, attrs: Attrs): Tensor {
  if (attrs.keepdim) return y;
  const dims = attrs.dims as number[];
  return reshape(
    y,
    shape.map((size, i) => (dims.includes(i) ? 1 : size)),
  );
}

/** The number of elements of each result. @internal */
export const reducedCount = (shape: Shape, attrs: Attrs): number =>
  (attrs.dims as number[]).reduce((n, d) => n * (shape[d] as number), 1);

/** A 16-bit float as f32, for what takes several steps. @internal */
export const widened = (x: Tensor): Tensor => (x.dtype === 'f16' || x.dtype === 'bf16' ? cast(x, 'f32') : x);

/** ONNX's reductions of opset 18: the axes are an input. @internal */
export const onnxReduce =
  (type: string) =>
  (graph: OnnxGraph, { inputs, attrs }: OnnxCall): string =>
    graph.node(type, [inputs[0] as string, graph.constant(attrs.dims as number[], 'i64')], {
      keepdims: attrs.keepdim ? 1 : 0,
      noop_with_empty_axes: 1,
    });
