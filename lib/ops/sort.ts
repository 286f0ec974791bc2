// Order along a dimension: whole, the first few, or one place of it.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { expectTensor, resolveDim } from './arguments.ts';
import { zeros } from './full.ts';
import { scatterAdd } from './gather.ts';
import { select } from './parts.ts';
import { reshape, transpose } from './views.ts';

/** Sorted values, and where each was before (i64). */
export type Sorted = [values: Tensor, indices: Tensor];

const sortedRows = defineOp('sort', {
  call: (run) => (x: Tensor, k: number, descending: boolean) => run.all([x], { k, descending }) as Sorted,
  saves: { outputs: [1] },
  differentiable: [0],
  grad: (ctx, dout): Grads => {
    const { shape, dtype, device } = ctx.inputMeta(0);
    return [scatterAdd(zeros(shape, { dtype, device }), -1, ctx.output(1), dout)];
  },
  onnx: (graph, { inputs, attrs }) =>
    graph.nodes('TopK', [inputs[0] as string, graph.constant([attrs.k as number], 'i64')], 2, {
      axis: -1,
      largest: attrs.descending ? 1 : 0,
      sorted: 1,
    }),
});

/** The first k along `dim`; `k` of the dimension's size is all of it. */
function along(op: string, x: Tensor, dim: number, descending: boolean, k: (size: number) => number): Sorted {
  expectTensor(op, 'input', x);
  if (x.rank === 0) {
    const [values, indices] = along(op, reshape(x, [1]), 0, descending, k);
    return [reshape(values, []), reshape(indices, [])];
  }
  const at = resolveDim(op, dim, x.rank);
  const count = k(x.shape[at] as number);
  if (at === x.rank - 1) return sortedRows(x, count, descending);
  const [values, indices] = sortedRows(transpose(x, at, -1), count, descending);
  return [transpose(values, at, -1), transpose(indices, at, -1)];
}

/** Options of `sort` and `argsort`. */
export interface SortOptions {
  /** Default: false. */
  descending?: boolean | undefined;
  /** Whether equal elements keep their order; they always do. */
  stable?: boolean | undefined;
}

/**
 * The elements in order along `dim`, and where they stood, i64. NaN counts as the greatest number; equal elements keep
 * their order. As torch.sort.
 */
export function sort(x: Tensor, dim = -1, options: SortOptions = {}): Sorted {
  checkOptions('sort', options, ['descending', 'stable']);
  return along('sort', x, dim, options.descending ?? false, (size) => size);
}

/** The indices of {@link sort}. As torch.argsort. */
export function argsort(x: Tensor, dim = -1, options: SortOptions = {}): Tensor {
  const [values, indices] = noGrad(() => sort(x, dim, options));
  values.dispose();
  return indices;
}

/** Options of `topk`. */
export interface TopkOptions {
  /** The largest or the smallest elements. Default: true. */
  largest?: boolean | undefined;
  /** Whether they come in order; they always do. */
  sorted?: boolean | undefined;
}

/**
 * The `k` largest elements along `dim` in descending order, or the smallest in ascending order, and where they stood,
 * i64; of equal ones those that come first. Throws ERR_ARGUMENT unless 0 <= k <= the dimension's size. As torch.topk.
 */
export function topk(x: Tensor, k: number, dim = -1, options: TopkOptions = {}): Sorted {
  checkOptions('topk', options, ['largest', 'sorted']);
  return along('topk', x, dim, options.largest ?? true, (size) => {
    if (!Number.isSafeInteger(k) || k < 0 || k > size)
      throw new TilegradError('ERR_ARGUMENT', `topk: k must be from 0 to ${size} but is ${k}`);
    return k;
  });
}

/**
 * The k-th smallest element along `dim`, counted from 1, and where it stood, i64; `keepdim` leaves the dimension with
 * size 1. Throws ERR_ARGUMENT unless 1 <= k <= the dimension's size. As torch.kthvalue.
 */
export function kthvalue(x: Tensor, k: number, dim = -1, keepdim = false): Sorted {
  const size = x.rank === 0 ? 1 : (x.shape[resolveDim('kthvalue', dim, x.rank)] as number);
  if (!Number.isSafeInteger(k) || k < 1 || k > size)
    throw new TilegradError('ERR_ARGUMENT', `kthvalue: k must be from 1 to ${size} but is ${k}`);
  const found = along('kthvalue', x, dim, false, () => k);
  if (x.rank === 0) return found;
  const place = (y: Tensor): Tensor => {
    const one = select(y, dim, k - 1);
    return keepdim ? reshape(one, x.shape.with(resolveDim('kthvalue', dim, x.rank), 1)) : one;
  };
  return [place(found[0]), place(found[1])];
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link sort}. */
    sort(dim?: number, options?: SortOptions): Sorted;
    /** {@link argsort}. */
    argsort(dim?: number, options?: SortOptions): Tensor;
    /** {@link topk}. */
    topk(k: number, dim?: number, options?: TopkOptions): Sorted;
  }
}

Tensor.prototype.sort = function (dim, options) {
  return sort(this, dim, options);
};
Tensor.prototype.argsort = function (dim, options) {
  return argsort(this, dim, options);
};
Tensor.prototype.topk = function (k, dim, options) {
  return topk(this, k, dim, options);
};
