// Reading and writing single elements by index tensors.
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { expectTensor, resolveDim } from './arguments.ts';
import { where } from './comparisons.ts';
import { reshape, expand, slice } from './views.ts';

/**
 * The elements of `x` at the places along `dim` that `index`, i64 or i32, names: out[i, j, k] = x[index[i, j, k], j, k]
 * for dim 0, and so on. The index has as many dimensions as `x` and is nowhere larger but in `dim`. Throws ERR_SHAPE and
 * ERR_DTYPE for inputs that do not fit; a place out of range is reported as ERR_ARGUMENT at the next await. As
 * torch.gather.
 */
export const gather = defineOp('gather', {
  call:
    (run) =>
    (x: Tensor, dim: number, index: Tensor): Tensor =>
      run([x, index], { dim }),
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => [
    addedElements(ctx.input(1), dout, null, ctx.inputMeta(0).shape, ctx.attrs.dim as number),
    null,
  ],
  onnx: (graph, { inputs, attrs }) => graph.node('GatherElements', inputs, { axis: attrs.dim as number }),
});

const addedElements = defineOp('scatter_add', {
  call: (run) => (index: Tensor, source: Tensor, base: Tensor | null, shape: Shape, dim: number) =>
    run(base ? [index, source, base] : [index, source], { dim, shape }),
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => {
    const source = ctx.needs(1) ? gather(dout, ctx.attrs.dim as number, ctx.input(0)) : null;
    return ctx.inputCount === 3 ? [null, source, dout] : [null, source];
  },
  onnx: (graph, { inputs, attrs }) => {
    const [index, source, base] = inputs as [string, string, string | undefined];
    const axis = attrs.dim as number;
    if (base !== undefined) return graph.node('ScatterElements', [base, index, source], { axis, reduction: 'add' });
    throw new TilegradError('ERR_UNSUPPORTED', 'scatter_add: gradients are not exported to ONNX');
  },
});

/** The part of `source` that has an element for each of `index`: a source may be larger. */
function sourceOf(op: string, index: Tensor, source: Tensor): Tensor {
  expectTensor(op, 'source', source);
  if (source.rank !== index.rank || source.shape.some((size, d) => size < (index.shape[d] as number)))
    throw new TilegradError(
      'ERR_SHAPE',
      `${op}: source [${source.shape.join(', ')}] has no element for each of index [${index.shape.join(', ')}]`,
    );
  const fits = source.shape.every((size, d) => size === index.shape[d]);
  return fits
    ? source
    : slice(
        source,
        index.shape.map(() => 0),
        index.shape,
      );
}

/**
 * `x` with the elements of `source` added at the places along `dim` that `index`, i64 or i32, names. Elements for one
 * place are added in row-major order, so that the bits are the same on every run. Throws ERR_SHAPE and ERR_DTYPE for
 * inputs that do not fit; a place out of range is reported as ERR_ARGUMENT at the next await. As torch.scatter_add.
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  return addedElements(index, sourceOf('scatter_add', index, source), x, x.shape, dim);
}

const written = defineOp('scatter', {
  call: (run) => (x: Tensor, dim: number, index: Tensor, source: Tensor | number) =>
    typeof source === 'number' ? run([x, index], { dim, value: source }) : run([x, index, source], { dim, value: 0 }),
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => {
    const dim = ctx.attrs.dim as number;
    const index = ctx.input(1);
    const grads: (Tensor | null)[] = [ctx.needs(0) ? written(dout, dim, index, 0) : null, null];
    if (ctx.inputCount === 3) grads.push(ctx.needs(2) ? gather(dout, dim, index) : null);
    return grads;
  },
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const [x, index, source] = inputs as [string, string, string | undefined];
    const axis = attrs.dim as number;
    if (source !== undefined) return graph.node('ScatterElements', [x, index, source], { axis });
    const { shape } = inputMeta[1] as { shape: Shape };
    const value = graph.constant([attrs.value as number], inputMeta[0]?.dtype ?? 'f32', []);
    const values = graph.node('Expand', [value, graph.constant(shape, 'i64')]);
    return graph.node('ScatterElements', [x, index, values], { axis });
  },
});

/**
 * `x` with the elements of `source`, or one number, written at the places along `dim` that `index`, i64 or i32, names; of
 * several elements for one place the last in row-major order stays, and gradients are those of distinct places. Throws
 * ERR_SHAPE and ERR_DTYPE for inputs that do not fit; a place out of range is reported as ERR_ARGUMENT at the next await.
 * As torch.scatter.
 */
export function scatter(x: Tensor, dim: number, index: Tensor, source: Tensor | number): Tensor {
  return written(x, dim, index, typeof source === 'number' ? source : sourceOf('scatter', index, source));
}

/**
 * {@link gather} with `x` and `index` broadcast against each other in all dimensions but `dim`; without `dim` both are
 * flattened. As torch.take_along_dim.
 */
export function takeAlongDim(x: Tensor, index: Tensor, dim?: number): Tensor {
  expectTensor('takeAlongDim', 'index', index);
  if (dim === undefined) return gather(reshape(x, [-1]), 0, reshape(index, [-1]));
  const at = resolveDim('takeAlongDim', dim, x.rank);
  const fits = (a: number, b: number, d: number): boolean => d === at || a === b || a === 1 || b === 1;
  if (x.rank !== index.rank || !x.shape.every((size, d) => fits(size, index.shape[d] as number, d)))
    throw new TilegradError(
      'ERR_SHAPE',
      `takeAlongDim: index [${index.shape.join(', ')}] does not broadcast against [${x.shape.join(', ')}] beside dimension ${dim}`,
    );
  const common = x.shape.map((size, d) => (size === 1 ? (index.shape[d] as number) : size));
  const around = (own: Shape): Shape => common.map((size, d) => (d === at ? (own[d] as number) : size));
  return gather(expand(x, around(x.shape)), at, expand(index, around(index.shape)));
}

/** The elements of `x` at row-major positions `index`, in the index's shape. As torch.take. */
export function take(x: Tensor, index: Tensor): Tensor {
  expectTensor('take', 'index', index);
  return reshape(gather(reshape(x, [-1]), 0, reshape(index, [-1])), index.shape);
}

/** `x` with `value` where the bool tensor `mask`, which broadcasts, is true. As torch.masked_fill. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  return where(mask, value, x);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link gather}. */
    gather(dim: number, index: Tensor): Tensor;
    /** {@link scatterAdd}. */
    scatterAdd(dim: number, index: Tensor, source: Tensor): Tensor;
    /** {@link scatter}. */
    scatter(dim: number, index: Tensor, source: Tensor | number): Tensor;
    /** {@link take}. */
    take(index: Tensor): Tensor;
    /** {@link maskedFill}. */
    maskedFill(mask: Tensor, value: number): Tensor;
  }
}

const { prototype } = Tensor;
prototype.gather = function (dim, index) {
  return gather(this, dim, index);
};
prototype.scatterAdd = function (dim, index, source) {
  return scatterAdd(this, dim, index, source);
};
prototype.scatter = function (dim, index, source) {
  return scatter(this, dim, index, source);
};
prototype.take = function (index) {
  return take(this, index);
};
prototype.maskedFill = function (mask, value) {
  return maskedFill(this, mask, value);
};
