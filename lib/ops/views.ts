// Views: other shapes over the same elements. No kernel runs, except where reshape or contiguous must copy.
import type { OnnxRule } from '../op.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import type { Permuted, Reshaped, Transposed } from '../typed_shapes.ts';
import { expectTensor, resolveDim } from './arguments.ts';
import { assign } from './assign.ts';
import { add } from './elementwise.ts';

const onnxReshape: OnnxRule = (graph, { inputs, outputMeta }) =>
  graph.node('Reshape', [inputs[0] as string, graph.constant(outputMeta[0]?.shape ?? [], 'i64')]);

/**
 * The same elements in another shape, row-major; one entry may be -1 and is then found. A view where the strides allow
 * it, else a copy. Throws ERR_SHAPE if the element counts differ. As torch.reshape.
 */
export const reshape = defineOp('reshape', {
  call:
    (run) =>
    <const S extends Shape>(x: Tensor, shape: S): Tensor<Reshaped<S>> =>
      run([x], { shape }),
  grad: (ctx, dout): Grads => [reshape(dout, ctx.inputMeta(0).shape)],
  onnx: onnxReshape,
});

/** The tensor itself if it lies in row-major order without gaps, else a copy that does. As torch.Tensor.contiguous. */
export const contiguous = defineOp('contiguous', {
  call:
    (run) =>
    <S extends Shape>(x: Tensor<S>): Tensor<S> =>
      run([x]),
  grad: (_, dout): Grads => [dout],
  onnx: 'Identity',
});

/** Reorders the dimensions: dimension i of the result is dimension `dims[i]` of the input. A view. As torch.permute. */
export const permute = defineOp('permute', {
  call:
    (run) =>
    <S extends Shape, const D extends readonly number[]>(x: Tensor<S>, dims: D): Tensor<Permuted<S, D>> =>
      run([x], { dims }),
  grad: (ctx, dout): Grads => {
    const dims = ctx.attrs.dims as readonly number[];
    const inverse: number[] = [];
    dims.forEach((d, i) => {
      inverse[d < 0 ? d + dims.length : d] = i;
    });
    return [permute(dout, inverse)];
  },
  onnx: (graph, { inputs, attrs }) =>
    graph.node('Transpose', inputs, {
      perm: (attrs.dims as number[]).map((d, _, all) => (d < 0 ? d + all.length : d)),
    }),
});

/** Swaps two dimensions. A view. As torch.transpose. */
export function transpose<S extends Shape>(x: Tensor<S>): Tensor<Transposed<S>>;
export function transpose(x: Tensor, dim0?: number, dim1?: number): Tensor;
export function transpose(x: Tensor, dim0 = -2, dim1 = -1): Tensor {
  expectTensor('transpose', 'input', x);
  const a = resolveDim('transpose', dim0, x.rank);
  const b = resolveDim('transpose', dim1, x.rank);
  const dims = x.shape.map((_, i) => (i === a ? b : i === b ? a : i));
  return permute(x, dims);
}

/**
 * Repeats dimensions of size 1 without copying, and adds leading ones; -1 keeps a size. A view. As torch.Tensor.expand.
 */
export const expand = defineOp('expand', {
  call:
    (run) =>
    (x: Tensor, shape: Shape): Tensor =>
      run([x], { shape }),
  // The sum over repeated elements is the general summing back of broadcasts.
  grad: (_, dout): Grads => [dout],
  onnx: (graph, { inputs, outputMeta }) =>
    graph.node('Expand', [inputs[0] as string, graph.constant(outputMeta[0]?.shape ?? [], 'i64')]),
});

/**
 * Every `steps[i]`-th element from `starts[i]` to before `stops[i]` in each dimension i, with Python's rules for
 * negative and too large positions; steps are at least 1. A view.
 */
export const slice = defineOp('slice', {
  call:
    (run) =>
    (
      x: Tensor,
      starts: readonly number[],
      stops: readonly number[],
      steps: readonly number[] = starts.map(() => 1),
    ): Tensor =>
      run([x], { starts, stops, steps }),
  grad: (ctx, dout): Grads => [sliceInputGrad(dout, ctx.inputMeta(0).shape, ctx.attrs)],
  addGrad: ({ attrs }, dout, into) => {
    const place = slice(into, attrs.starts as number[], attrs.stops as number[], attrs.steps as number[]);
    assign(place, add(place, dout));
  },
  onnx: (graph, { inputs, attrs }) => {
    const starts = attrs.starts as number[];
    const axes = graph.constant(
      starts.map((_, i) => i),
      'i64',
    );
    return graph.node('Slice', [
      inputs[0] as string,
      graph.constant(starts, 'i64'),
      graph.constant(attrs.stops as number[], 'i64'),
      axes,
      graph.constant(attrs.steps as number[], 'i64'),
    ]);
  },
});

/** The gradient of {@link slice}: what was taken, at its places among zeros. @internal */
export const sliceInputGrad = defineOp('slice_input_grad', {
  call: (run) => (dout: Tensor, shape: Shape, attrs: Readonly<Record<string, unknown>>) =>
    run([dout], {
      shape,
      starts: attrs.starts as number[],
      stops: attrs.stops as number[],
      steps: attrs.steps as number[],
    }),
  grad: (ctx, dout): Grads => [
    slice(dout, ctx.attrs.starts as number[], ctx.attrs.stops as number[], ctx.attrs.steps as number[]),
  ],
  onnx: 'none',
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link reshape}: also with the sizes as arguments. */
    reshape<const T extends Shape>(shape: T): Tensor<Reshaped<T>>;
    /** {@link reshape}, with the sizes as arguments. */
    reshape<const T extends Shape>(...shape: T): Tensor<Reshaped<T>>;
    /** {@link contiguous}. */
    contiguous(): Tensor<S>;
    /** {@link permute}: also with the dimensions as arguments. */
    permute<const D extends readonly number[]>(dims: D): Tensor<Permuted<S, D>>;
    /** {@link permute}, with the dimensions as arguments. */
    permute<const D extends readonly number[]>(...dims: D): Tensor<Permuted<S, D>>;
    /** {@link transpose}. */
    transpose(): Tensor<Transposed<S>>;
    /** {@link transpose} of two dimensions. */
    transpose(dim0: number, dim1?: number): Tensor;
    /** {@link expand}: also with the sizes as arguments. */
    expand(...shape: number[] | [Shape]): Tensor;
  }
}

/** Arguments that are numbers or one list of numbers. */
const list = (args: number[] | [readonly number[]]): readonly number[] =>
  Array.isArray(args[0]) ? args[0] : (args as number[]);

const { prototype } = Tensor;
prototype.reshape = function (...shape: number[] | [Shape]) {
  return reshape(this, list(shape));
};
prototype.contiguous = function () {
  return contiguous(this);
};
prototype.permute = function (...dims: number[] | [readonly number[]]) {
  return permute(this, list(dims));
};
prototype.transpose = function (dim0?: number, dim1?: number) {
  return transpose(this, dim0, dim1);
};
prototype.expand = function (...shape) {
  return expand(this, list(shape));
};
