import {
  argsort,
  dtypes,
  kthvalue,
  sort,
  type SortOptions,
  type Tensor,
  type TopkOptions,
  topk,
  zeros,
} from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

/** The places along `dim` in order, and a picker of values and places. */
function ordered(x: NdArray, dim: number, descending: boolean, k?: number): [NdArray, NdArray] {
  const d = dim < 0 ? dim + x.shape.length : dim;
  const n = x.shape[d]!;
  const known = new Map<string, number[]>();
  const places = (at: number[]): number[] => {
    const line = at.with(d, 0).join();
    if (!known.has(line)) known.set(line, sorted(at));
    return known.get(line)!;
  };
  const sorted = (at: number[]): number[] => {
    const value = (i: number) => element(x, at.with(d, i));
    const compare = (a: number, b: number) => {
      const [u, v] = [value(a), value(b)];
      if (Number.isNaN(u) || Number.isNaN(v)) return Number(Number.isNaN(u)) - Number(Number.isNaN(v));
      return u - v;
    };
    return Array.from({ length: n }, (_, i) => i).sort((a, b) => (descending ? compare(b, a) : compare(a, b)) || a - b);
  };
  const shape = x.shape.with(d, k ?? n);
  const indices = fromCoordinates(shape, (at) => places(at)[at[d]!]!);
  return [fromCoordinates(shape, (at) => element(x, at.with(d, element(indices, at)))), { ...indices, dtype: 'i64' }];
}

const distinct = (...shape: number[]) => [{ shape, distinct: true }];

export default [
  defineRows<{ dim?: number; options?: SortOptions }>({
    name: 'sort',
    dtypes,
    family: 'exact',
    call: ([x], { dim, options }) => [...sort(x as Tensor, dim, options), argsort(x as Tensor, dim, options)],
    reference: ([x], { dim = -1, options }) => {
      const [values, indices] = ordered(x!, dim, options?.descending ?? false);
      return [values, indices, indices];
    },
    timed: [{ inputs: [{ shape: [1024, 1024] }], attrs: {} }],
    samples: [
      { inputs: distinct(7), attrs: {} },
      { inputs: distinct(3, 5), attrs: { dim: 0, options: { descending: true } } },
      { inputs: distinct(2, 3, 4), attrs: { dim: 1 } },
      { inputs: distinct(2, 300), attrs: { dim: -1, options: { descending: true } } },
      { inputs: [{ shape: [3, 0] }], attrs: {} },
      // Longer than the chunks of 2048 that a block sorts on CUDA, with many ties.
      { inputs: [{ shape: [2, 4500], range: [0, 5] }], attrs: {}, smooth: false },
      { inputs: [{ shape: [6], values: [1, 0, 1, 1, 0, 1] }], attrs: {}, smooth: false },
      ...[true, false].map((descending) => ({
        inputs: [{ shape: [6], values: [2, Number.NaN, -Infinity, Number.NaN, Infinity, -0] }],
        attrs: { options: { descending } },
        dtypes: ['f32', 'f64', 'f16', 'bf16'] as const,
        smooth: false as const,
      })),
    ],
    errors: [
      {
        name: 'no such dimension',
        run: () => sort(zeros([2]), 1),
        code: 'ERR_ARGUMENT',
        message: 'sort: dimension 1 is out of range',
      },
      {
        name: 'a mistyped option',
        run: () => sort(zeros([2]), 0, { descend: true } as SortOptions),
        code: 'ERR_ARGUMENT',
        message: "sort: unknown option 'descend'",
      },
    ],
  }),
  defineRows<{ k: number; dim?: number; options?: TopkOptions }>({
    name: 'topk',
    dtypes,
    family: 'exact',
    call: ([x], { k, dim, options }) => topk(x as Tensor, k, dim, options),
    reference: ([x], { k, dim = -1, options }) => ordered(x!, dim, options?.largest ?? true, k),
    samples: [
      { inputs: distinct(3, 9), attrs: { k: 4 } },
      { inputs: distinct(9, 3), attrs: { k: 2, dim: 0, options: { largest: false } } },
      { inputs: distinct(2, 200), attrs: { k: 200 } },
      { inputs: distinct(2, 3), attrs: { k: 0 } },
      { inputs: [{ shape: [2, 8200], range: [0, 7] }], attrs: { k: 3 }, smooth: false },
      { inputs: [{ shape: [8200], range: [0, 7] }], attrs: { k: 3000 }, smooth: false },
      { inputs: [{ shape: [7], values: [1, 0, 1, 1, 0, 1, 0] }], attrs: { k: 3 }, smooth: false },
    ],
    errors: [
      {
        name: 'more than there are',
        run: () => topk(zeros([3]), 4),
        code: 'ERR_ARGUMENT',
        message: 'topk: k must be from 0 to 3 but is 4',
      },
    ],
  }),
  defineRows<{ k: number; dim: number; keepdim: boolean }>({
    name: 'kthvalue',
    dtypes: ['f32', 'f64', 'i32'],
    family: 'exact',
    call: ([x], { k, dim, keepdim }) => kthvalue(x as Tensor, k, dim, keepdim),
    reference: ([x], { k, dim, keepdim }) =>
      ordered(x!, dim, false).map((all) => {
        const kept = fromCoordinates(x!.shape.with(dim, 1), (at) => element(all, at.with(dim, k - 1)));
        const shape = keepdim ? kept.shape : kept.shape.filter((_, d) => d !== dim);
        return all.dtype ? { ...kept, shape, dtype: all.dtype } : { ...kept, shape };
      }),
    samples: [
      { inputs: distinct(3, 9), attrs: { k: 4, dim: 1, keepdim: false } },
      { inputs: distinct(5, 3), attrs: { k: 5, dim: 0, keepdim: true } },
    ],
    errors: [
      {
        name: 'place 0',
        run: () => kthvalue(zeros([3]), 0),
        code: 'ERR_ARGUMENT',
        message: 'kthvalue: k must be from 1 to 3 but is 0',
      },
    ],
  }),
];
