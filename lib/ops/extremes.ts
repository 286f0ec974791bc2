// Largest and smallest elements and their places.
import type { DType } from '../dtype.ts';
import { type GradRule, type Grads, defineOp, type OnnxRule } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { resolveDim } from './arguments.ts';
import { cast } from './cast.ts';
import { eq } from './comparisons.ts';
import { div, mul } from './elementwise.ts';
import { full } from './full.ts';
import { scatter } from './gather.ts';
import { sum } from './reduce.ts';
import { onnxReduce, reducedDims, reduction, type Dims, unreduced } from './reduced.ts';

/** The extreme elements along a dimension and where the first of each stands. */
export interface Extremes {
  readonly values: Tensor;
  /** i64, counted along the dimension. */
  readonly indices: Tensor;
}

// Where several elements are the extreme one, each gets its share.
const evenly: GradRule = (ctx, dout): Grads => {
  const x = ctx.input(0);
  const mask = cast(eq(x, unreduced(ctx.output(0), x.shape, ctx.attrs)), x.dtype as DType);
  const share = div(unreduced(dout, x.shape, ctx.attrs), sum(mask, ctx.attrs.dims as number[], true));
  return [mul(mask, share)];
};

/**
 * The largest elements over `dim` (default all); NaN if there is one. Its gradient is shared evenly among equals. Throws
 * ERR_SHAPE for a dimension of size 0. As torch.amax.
 */
export const amax = defineOp('amax', {
  call: reduction('amax'),
  saves: { inputs: [0], outputs: [0] },
  grad: evenly,
  onnx: onnxReduce('ReduceMax'),
});

/** The smallest elements over `dim` (default all), otherwise as {@link amax}. As torch.amin. */
export const amin = defineOp('amin', {
  call: reduction('amin'),
  saves: { inputs: [0], outputs: [0] },
  grad: evenly,
  onnx: onnxReduce('ReduceMin'),
});

const onnxPlace =
  (type: string): OnnxRule =>
  (graph, { inputs, inputMeta, attrs, outputMeta }) => {
    const dims = attrs.dims as number[];
    const rank = inputMeta[0]?.shape.length ?? 0;
    const keepdims = attrs.keepdim ? 1 : 0;
    if (dims.length === 1 && rank > 1) return graph.node(type, inputs, { axis: dims[0] as number, keepdims });
    const flat = graph.node('Reshape', [inputs[0] as string, graph.constant([-1], 'i64')]);
    const place = graph.node(type, [flat], { axis: 0, keepdims: 0 });
    return graph.node('Reshape', [place, graph.constant(outputMeta[0]?.shape ?? [], 'i64')]);
  };

/** Dimension, or all: an index is that into the flattened tensor. */
function placeDims(op: string, x: Tensor, dim: number | null | undefined): number[] {
  return reducedDims(op, x, dim ?? null);
}

/**
 * The index of the largest element along `dim`, or of all elements in row-major order, as i64: the first among equals,
 * and of the first NaN if there is one. Throws ERR_SHAPE for a dimension of size 0. As torch.argmax.
 */
export const argmax = defineOp('argmax', {
  call:
    (run) =>
    (x: Tensor, dim?: number | null, keepdim = false): Tensor =>
      run([x], { dims: placeDims('argmax', x, dim), keepdim }),
  grad: 'none',
  onnx: onnxPlace('ArgMax'),
});

/** The index of the smallest element, otherwise as {@link argmax}. As torch.argmin. */
export const argmin = defineOp('argmin', {
  call:
    (run) =>
    (x: Tensor, dim?: number | null, keepdim = false): Tensor =>
      run([x], { dims: placeDims('argmin', x, dim), keepdim }),
  grad: 'none',
  onnx: onnxPlace('ArgMin'),
});

function extremesAlong(op: 'max' | 'min', reduce: string, place: string) {
  return defineOp(op, {
    call:
      (run) =>
      (x: Tensor, dim: number, keepdim: boolean): Extremes => {
        const dims = x.rank === 0 ? reducedDims(op, x, dim) : [resolveDim(op, dim, x.rank)];
        const [values, indices] = run.all([x], { dims, keepdim }) as [Tensor, Tensor];
        return { values, indices };
      },
    saves: { outputs: [1] },
    differentiable: [0],
    grad: (ctx, dout): Grads => {
      const { shape, dtype, device } = ctx.inputMeta(0);
      const [dim] = ctx.attrs.dims as [number?];
      if (dim === undefined) return [dout];
      const along = (x: Tensor): Tensor => unreduced(x, shape, ctx.attrs);
      return [scatter(full(shape, 0, { dtype, device }), dim, along(ctx.output(1)), along(dout))];
    },
    onnx: (graph, call) => [
      onnxReduce(reduce)(graph, call),
      (onnxPlace(place) as (...args: Parameters<OnnxRule>) => string)(graph, call),
    ],
  });
}

const maxAlong = extremesAlong('max', 'ReduceMax', 'ArgMax');
const minAlong = extremesAlong('min', 'ReduceMin', 'ArgMin');

/**
 * The largest of all elements, as {@link amax}; or with `dim` the largest along it with their indices, of which the first
 * among equals takes the gradient. NaN is the largest. Throws ERR_SHAPE for a dimension of size 0. As torch.max.
 */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, dim: number, keepdim?: boolean): Extremes;
export function max(x: Tensor, dim?: number, keepdim = false): Tensor | Extremes {
  return dim === undefined ? amax(x) : maxAlong(x, dim, keepdim);
}

/** The smallest of all elements, or with `dim` those along it with their indices, as {@link max}. As torch.min. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, dim: number, keepdim?: boolean): Extremes;
export function min(x: Tensor, dim?: number, keepdim = false): Tensor | Extremes {
  return dim === undefined ? amin(x) : minAlong(x, dim, keepdim);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link amax}. */
    amax(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link amin}. */
    amin(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link argmax}. */
    argmax(dim?: number | null, keepdim?: boolean): Tensor;
    /** {@link argmin}. */
    argmin(dim?: number | null, keepdim?: boolean): Tensor;
    /** {@link max} of all elements, or along `dim` with the indices. */
    max(): Tensor;
    /** {@link max} along a dimension: values and indices. */
    max(dim: number, keepdim?: boolean): Extremes;
    /** {@link min} of all elements, or along `dim` with the indices. */
    min(): Tensor;
    /** {@link min} along a dimension: values and indices. */
    min(dim: number, keepdim?: boolean): Extremes;
  }
}

const { prototype } = Tensor;
prototype.amax = function (dim, keepdim) {
  return amax(this, dim, keepdim);
};
prototype.amin = function (dim, keepdim) {
  return amin(this, dim, keepdim);
};
prototype.argmax = function (dim, keepdim) {
  return argmax(this, dim, keepdim);
};
prototype.argmin = function (dim, keepdim) {
  return argmin(this, dim, keepdim);
};
prototype.max = function (this: Tensor, dim?: number, keepdim?: boolean) {
  return dim === undefined ? max(this) : max(this, dim, keepdim);
} as Tensor['max'];
prototype.min = function (this: Tensor, dim?: number, keepdim?: boolean) {
  return dim === undefined ? min(this) : min(this, dim, keepdim);
} as Tensor['min'];
