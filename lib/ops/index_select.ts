// Rows of a tensor by their numbers, and sums of rows at places; lookups in a table of vectors.
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim } from './arguments.ts';
import { ne } from './comparisons.ts';
import { mul, reciprocal } from './elementwise.ts';
import { ones } from './full.ts';
import { to } from './to.ts';
import { reshape } from './views.ts';

// No gradient flows to row `skip`; -1 for none.
const selected = defineOp('index_select', {
  call: (run) => (x: Tensor, dim: number, index: Tensor, skip: number) => run([x, index], { dim, skip }),
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => {
    const { dim, skip } = ctx.attrs as { dim: number; skip: number };
    return [addedRows(ctx.input(1), dout, null, ctx.inputMeta(0).shape, dim, skip), null];
  },
  onnx: (graph, { inputs, attrs }) => graph.node('Gather', inputs, { axis: attrs.dim as number }),
});

const addedRows = defineOp('index_add', {
  call: (run) => (index: Tensor, source: Tensor, base: Tensor | null, shape: Shape, dim: number, skip: number) =>
    run(base ? [index, source, base] : [index, source], { dim, skip, shape }),
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => {
    const { dim, skip } = ctx.attrs as { dim: number; skip: number };
    const grads: (Tensor | null)[] = [null, null];
    if (ctx.needs(1)) {
      const index = ctx.input(0);
      const rows = selected(dout, dim, index, -1);
      grads[1] = skip < 0 ? rows : mul(rows, alongDim(to(ne(index, skip), rows.dtype), dim, rows.rank));
    }
    if (ctx.inputCount === 3) grads.push(dout);
    return grads;
  },
  onnx: 'none',
});

/** A vector as a tensor of `rank` dimensions that all have size 1 but `dim`. */
function alongDim(x: Tensor, dim: number, rank: number): Tensor {
  const at = resolveDim('index_add', dim, rank);
  return reshape(
    x,
    Array.from({ length: rank }, (_, d) => (d === at ? x.numel : 1)),
  );
}

/**
 * The places of dimension `dim` that `index`, i64 or i32 (K), names, in its order. Throws ERR_SHAPE for an index that is
 * no vector, ERR_DTYPE for one of another dtype; a place out of range is reported as ERR_ARGUMENT at the next await. As
 * torch.index_select.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  return selected(x, dim, index, -1);
}

/**
 * `x` with the places of `source` along `dim` added at those that `index`, i64 or i32 (K), names; places named several
 * times get several summands, in the order of the index. `alpha` multiplies the source. Throws ERR_SHAPE where shapes do
 * not fit, ERR_DTYPE for unequal dtypes; a place out of range is reported as ERR_ARGUMENT at the next await. As
 * torch.index_add.
 */
export function indexAdd(
  x: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  options: { alpha?: number | undefined } = {},
): Tensor {
  checkOptions('indexAdd', options, ['alpha']);
  const { alpha = 1 } = options;
  return addedRows(index, alpha === 1 ? source : mul(source, alpha), x, x.shape, dim, -1);
}

/** Options of `embedding`. */
export interface EmbeddingOptions {
  /** A row that gets no gradient; negative ones count from the end. */
  paddingIdx?: number | null | undefined;
  /** Whether the gradient of a row is divided by how often it was looked up. Default: false. */
  scaleGradByFreq?: boolean | undefined;
}

// Passes values on and divides their gradients by `counts`.
const dividedGrad = defineOp('embedding_scale', {
  call: (run) => (rows: Tensor, counts: Tensor) => run([rows, counts]),
  compute: ([rows]) => rows as Tensor,
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => [mul(dout, reciprocal(ctx.input(1))), null],
  onnx: (_, { inputs }) => inputs[0] as string,
});

/**
 * The rows of `weight` (V, E) with the numbers in `index`, i64 or i32 of any shape (...), as (..., E). Throws ERR_SHAPE
 * for a weight that is no matrix, ERR_ARGUMENT for `paddingIdx` out of range; a number out of range is reported as
 * ERR_ARGUMENT at the next await. As torch.nn.functional.embedding.
 */
export function embedding(index: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  checkOptions('embedding', options, ['paddingIdx', 'scaleGradByFreq']);
  const [count, width] = weight.shape;
  if (weight.rank !== 2 || count === undefined || width === undefined)
    throw new TilegradError(
      'ERR_SHAPE',
      `embedding: weight must be a matrix but has shape [${weight.shape.join(', ')}]`,
    );
  const { paddingIdx = null, scaleGradByFreq = false } = options;
  const skip = paddingIdx !== null && paddingIdx < 0 ? paddingIdx + count : (paddingIdx ?? -1);
  if (!Number.isSafeInteger(skip) || skip < -1 || skip >= count || (paddingIdx !== null && skip < 0))
    throw new TilegradError('ERR_ARGUMENT', `embedding: paddingIdx ${paddingIdx} is not among the ${count} rows`);
  const flat = reshape(index, [-1]);
  let rows = selected(weight, 0, flat, skip);
  if (scaleGradByFreq && rows.requiresGrad) {
    const one = ones([flat.numel], { dtype: weight.dtype, device: weight.device });
    const counts = selected(addedRows(flat, one, null, [count], 0, -1), 0, flat, -1);
    rows = dividedGrad(rows, reshape(counts, [-1, 1]));
  }
  return reshape(rows, [...index.shape, width]);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link indexSelect}. */
    indexSelect(dim: number, index: Tensor): Tensor;
    /** {@link indexAdd}. */
    indexAdd(dim: number, index: Tensor, source: Tensor, options?: { alpha?: number | undefined }): Tensor;
  }
}

Tensor.prototype.indexSelect = function (dim, index) {
  return indexSelect(this, dim, index);
};
Tensor.prototype.indexAdd = function (dim, index, source, options) {
  return indexAdd(this, dim, index, source, options);
};
