// Parts of tensors along a dimension, and repetitions. Parts are views.
import { TilegradError } from '../error.ts';
import { defineOp, type GradContext, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim, wholeNumbers } from './arguments.ts';
import { concat, stack } from './concat.ts';
import { full } from './full.ts';
import { expand, permute, reshape, slice } from './views.ts';

function need(op: string, what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new TilegradError('ERR_ARGUMENT', `${op}: ${what} must be a whole number from ${least} on but is ${value}`);
}

/** The dimension of a tensor that has any. */
function existingDim(op: string, x: Tensor, dim: number): number {
  if (x.rank === 0) throw new TilegradError('ERR_SHAPE', `${op}: a scalar has no dimension to take parts of`);
  return resolveDim(op, dim, x.rank);
}

const run = (x: Tensor, dim: number, start: number, length: number): Tensor =>
  slice(
    x,
    x.shape.map((_, d) => (d === dim ? start : 0)),
    x.shape.map((size, d) => (d === dim ? start + length : size)),
  );

/**
 * `length` places of dimension `dim` from `start` on, which may be negative. A view. Throws ERR_ARGUMENT beyond the ends.
 * As torch.narrow.
 */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const at = existingDim('narrow', x, dim);
  const size = x.shape[at] as number;
  const first = start < 0 ? start + size : start;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(length) || first < 0 || length < 0 || first + length > size)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `narrow: ${length} places from ${start} on are not in dimension ${dim} of size ${size}`,
    );
  return run(x, at, first, length);
}

/** Place `index` of dimension `dim`, which is dropped. A view. Throws ERR_ARGUMENT beyond the ends. As torch.select. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const at = existingDim('select', x, dim);
  const size = x.shape[at] as number;
  const found = index < 0 ? index + size : index;
  if (!Number.isSafeInteger(found) || found < 0 || found >= size)
    throw new TilegradError('ERR_ARGUMENT', `select: index ${index} is not in dimension ${dim} of size ${size}`);
  return place(x, at, found);
}

const place = (x: Tensor, dim: number, index: number): Tensor =>
  reshape(
    run(x, dim, index, 1),
    x.shape.filter((_, d) => d !== dim),
  );

// All parts are the outputs of one node, whose gradient joins theirs: parts that each put theirs among zeros and add
// them up would take the square of the time.
const given = (ctx: GradContext, grads: readonly (Tensor | null)[]): Tensor[] =>
  grads.map((grad, i) => {
    const { shape, dtype, device } = ctx.outputMeta(i);
    return grad ?? full(shape, 0, { dtype, device });
  });

const parted = defineOp('split', {
  call: (op) => (x: Tensor, dim: number, sizes: readonly number[]) => op.all([x], { dim, sizes }),
  compute: ([x], { dim, sizes }) => {
    let start = 0;
    return (sizes as number[]).map((size) => {
      start += size;
      return run(x as Tensor, dim as number, start - size, size);
    });
  },
  grad: (ctx, ...grads): Grads => [concat(given(ctx, grads), ctx.attrs.dim as number)],
  onnx: (graph, { inputs, attrs: { dim, sizes } }) => {
    const lengths = sizes as number[];
    const parts = [inputs[0] as string, graph.constant(lengths, 'i64')];
    return graph.nodes('Split', parts, lengths.length, { axis: dim as number });
  },
});

const places = defineOp('unbind', {
  call: (op) => (x: Tensor, dim: number) => op.all([x], { dim }),
  compute: ([x], { dim }) =>
    Array.from({ length: (x as Tensor).shape[dim as number] as number }, (_, i) =>
      place(x as Tensor, dim as number, i),
    ),
  grad: (ctx, ...grads): Grads => [stack(given(ctx, grads), ctx.attrs.dim as number)],
  onnx: (graph, { inputs, outputMeta, attrs: { dim } }) => {
    const axis = graph.constant([dim as number], 'i64');
    const lengths = graph.constant(
      outputMeta.map(() => 1),
      'i64',
    );
    return graph
      .nodes('Split', [inputs[0] as string, lengths], outputMeta.length, { axis: dim as number })
      .map((part) => graph.node('Squeeze', [part, axis]));
  },
});

/**
 * Parts of dimension `dim`: of size `sizes` each (the last may be smaller), or of the sizes listed. Views. Throws
 * ERR_ARGUMENT unless listed sizes add up to the dimension's. As torch.split.
 */
export function split(x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] {
  const at = existingDim('split', x, dim);
  const size = x.shape[at] as number;
  let parts: readonly number[];
  if (typeof sizes === 'number') {
    need('split', 'the size of a part', sizes, 1);
    const count = Math.max(1, Math.ceil(size / sizes));
    parts = Array.from({ length: count }, (_, i) => Math.min(sizes, size - i * sizes));
  } else {
    for (const part of wholeNumbers('split', 'sizes', sizes)) need('split', 'the size of a part', part, 0);
    parts = sizes;
    const total = sizes.reduce((n, part) => n + part, 0);
    if (total !== size)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `split: [${sizes.join(', ')}] is ${total} together but dimension ${dim} has size ${size}`,
      );
  }
  return parted(x, at, parts);
}

/**
 * At most `chunks` parts of dimension `dim` of one size (the last may be smaller): fewer where they come out even. Views.
 * As torch.chunk.
 */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
  need('chunk', 'the number of chunks', chunks, 1);
  const size = x.shape[existingDim('chunk', x, dim)] as number;
  // An empty dimension has as many empty parts as were asked for.
  return split(x, size === 0 ? new Array<number>(chunks).fill(0) : Math.ceil(size / chunks), dim);
}

/** Each place of dimension `dim` by itself, without that dimension. Views. As torch.unbind. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
  const at = existingDim('unbind', x, dim);
  return places(x, at);
}

/**
 * The elements of the matrices in `dim0` and `dim1` that stand `offset` places to the right of the main diagonal, as a
 * last dimension. A view where the strides allow it. As torch.diagonal.
 */
export function diagonal(x: Tensor, offset = 0, dim0 = 0, dim1 = 1): Tensor {
  const row = existingDim('diagonal', x, dim0);
  const col = existingDim('diagonal', x, dim1);
  if (row === col) throw new TilegradError('ERR_ARGUMENT', `diagonal: dimension ${dim0} is named twice`);
  need('diagonal', 'offset', Math.abs(offset), 0);
  const rest = x.shape.map((_, d) => d).filter((d) => d !== row && d !== col);
  const [m, n] = [x.shape[row] as number, x.shape[col] as number];
  const length = Math.max(0, offset >= 0 ? Math.min(m, n - offset) : Math.min(m + offset, n));
  const lead = rest.map((d) => x.shape[d] as number);
  const start = offset >= 0 ? offset : -offset * n;
  // In the flat matrix the diagonal is every (n + 1)-th element.
  const flat = reshape(permute(x, [...rest, row, col]), [...lead, m * n]);
  return slice(
    flat,
    [...lead.map(() => 0), length > 0 ? start : 0],
    [...lead, length > 0 ? start + (length - 1) * (n + 1) + 1 : 0],
    [...lead.map(() => 1), n + 1],
  );
}

/**
 * `x` as often along each dimension as `repeats` says, one copy behind the other; more numbers than dimensions add
 * leading ones. Throws ERR_ARGUMENT for fewer numbers. As torch.Tensor.repeat.
 */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
  const times = wholeNumbers('repeat', 'repeats', repeats);
  for (const n of times) need('repeat', 'a number of repeats', n, 0);
  const lead = times.length - x.rank;
  if (lead < 0)
    throw new TilegradError('ERR_ARGUMENT', `repeat: ${times.length} numbers are too few for ${x.rank} dimensions`);
  const shape = [...new Array<number>(lead).fill(1), ...x.shape];
  // Only what is repeated needs a dimension for it: at most 8 there are.
  const repeated = shape.flatMap((size, d) => (times[d] === 1 ? [size] : [1, size]));
  const whole = shape.flatMap((size, d) => (times[d] === 1 ? [size] : [times[d] as number, size]));
  return reshape(
    expand(reshape(x, repeated), whole),
    shape.map((size, d) => size * (times[d] as number)),
  );
}

/** {@link repeat} with missing numbers of repeats in front taken as 1. As torch.tile. */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  const times = wholeNumbers('tile', 'repeats', repeats);
  return repeat(x, [...new Array<number>(Math.max(0, x.rank - times.length)).fill(1), ...times]);
}

/**
 * Each place of dimension `dim` `repeats` times in a row; without `dim` each element of the flat tensor. As
 * torch.repeat_interleave with a number.
 */
export function repeatInterleave(x: Tensor, repeats: number, dim?: number): Tensor {
  need('repeatInterleave', 'repeats', repeats, 0);
  if (dim === undefined) return repeatInterleave(reshape(x, [-1]), repeats, 0);
  const at = existingDim('repeatInterleave', x, dim);
  const around = (here: number[]): Shape => [...x.shape.slice(0, at), ...here, ...x.shape.slice(at + 1)];
  const size = x.shape[at] as number;
  return reshape(expand(reshape(x, around([size, 1])), around([size, repeats])), around([size * repeats]));
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link narrow}. */
    narrow(dim: number, start: number, length: number): Tensor;
    /** {@link select}. */
    select(dim: number, index: number): Tensor;
    /** {@link split}. */
    split(sizes: number | readonly number[], dim?: number): Tensor[];
    /** {@link chunk}. */
    chunk(chunks: number, dim?: number): Tensor[];
    /** {@link unbind}. */
    unbind(dim?: number): Tensor[];
    /** {@link diagonal}. */
    diagonal(offset?: number, dim0?: number, dim1?: number): Tensor;
    /** {@link repeat}: also with the numbers as arguments. */
    repeat(...repeats: number[] | [readonly number[]]): Tensor;
    /** {@link tile}: also with the numbers as arguments. */
    tile(...repeats: number[] | [readonly number[]]): Tensor;
    /** {@link repeatInterleave}. */
    repeatInterleave(repeats: number, dim?: number): Tensor;
  }
}

const list = (args: number[] | [readonly number[]]): readonly number[] =>
  Array.isArray(args[0]) ? args[0] : (args as number[]);

const { prototype } = Tensor;
prototype.narrow = function (dim, start, length) {
  return narrow(this, dim, start, length);
};
prototype.select = function (dim, index) {
  return select(this, dim, index);
};
prototype.split = function (sizes, dim) {
  return split(this, sizes, dim);
};
prototype.chunk = function (chunks, dim) {
  return chunk(this, chunks, dim);
};
prototype.unbind = function (dim) {
  return unbind(this, dim);
};
prototype.diagonal = function (offset, dim0, dim1) {
  return diagonal(this, offset, dim0, dim1);
};
prototype.repeat = function (...repeats) {
  return repeat(this, list(repeats));
};
prototype.tile = function (...repeats) {
  return tile(this, list(repeats));
};
prototype.repeatInterleave = function (repeats, dim) {
  return repeatInterleave(this, repeats, dim);
};
