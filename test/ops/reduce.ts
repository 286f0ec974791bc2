// Sums, means, products, any and all.
import { all, any, type DType, mean, prod, sum, type Tensor, zeros } from 'tilegrad';
import { reduced } from '../support/ndarray.ts';
import { defineRows, type ErrorRow, type OpRows, type Sample } from '../support/op_rows.ts';

export interface ReduceAttrs {
  dim?: number | readonly number[] | null;
  keepdim?: boolean;
}

export const dimsOf = ({ dim }: ReduceAttrs): readonly number[] | null =>
  typeof dim === 'number' ? [dim] : dim?.length ? dim : null;

export const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
export const integers = ['i64', 'i32', 'i8', 'u8'] as const;

/** One sample for each way in which memory is walked: rows, columns, both, and long enough for several segments. */
export const walks: Sample<ReduceAttrs>[] = [
  { inputs: [{ shape: [] }], attrs: {} },
  { inputs: [{ shape: [7] }], attrs: { dim: 0 } },
  { inputs: [{ shape: [3, 5] }], attrs: { dim: -1, keepdim: true } },
  { inputs: [{ shape: [3, 5] }], attrs: { dim: 0 } },
  { inputs: [{ shape: [2, 3, 4] }], attrs: { dim: [0, 2] } },
  { inputs: [{ shape: [2, 3, 4] }], attrs: { dim: 1 } },
  { inputs: [{ shape: [2, 3, 4, 5] }], attrs: { dim: [-3, 3], keepdim: true } },
  { inputs: [{ shape: [1, 6] }], attrs: { dim: [], keepdim: false } },
  { inputs: [{ shape: [0, 3] }], attrs: { dim: 1 } },
];

/** Without difference quotients, which would take too long. */
const long: Sample<ReduceAttrs>[] = [
  { inputs: [{ shape: [5, 1237], grad: false }], attrs: { dim: 1 } },
  { inputs: [{ shape: [1237, 21], grad: false }], attrs: { dim: 0 } },
  { inputs: [{ shape: [80011], range: [-1, 2], grad: false }], attrs: {}, dtypes: ['f32', 'f64', 'f16', 'i32'] },
  { inputs: [{ shape: [1201, 67], range: [-1, 2], grad: false }], attrs: { dim: 0 }, dtypes: ['f32', 'i8'] },
];

const empty: Sample<ReduceAttrs> = { inputs: [{ shape: [0, 3] }], attrs: { dim: 0 } };
const notFinite: Sample<ReduceAttrs> = {
  name: 'not finite',
  inputs: [{ shape: [3, 2], values: [Infinity, 1, -Infinity, Infinity, 2, Number.NaN] }],
  attrs: { dim: 1 },
};
const bench: Sample<ReduceAttrs>[] = [0, 1].map((dim) => ({
  inputs: [{ shape: [1024, 1024], grad: false }],
  attrs: { dim },
  dtypes: ['f32'],
  bench: true,
}));

type Reduction = (x: Tensor, dim?: ReduceAttrs['dim'], keepdim?: boolean) => Tensor;
type Fold = (values: number[], round: (x: number) => number) => number;

/** Rows of a reduction that takes a dimension and keepdim; `result` is the dtype of its results if that is fixed. */
export function rowsOf(
  name: string,
  reduction: Reduction,
  fold: Fold,
  dtypes: readonly DType[],
  rest: Partial<OpRows<ReduceAttrs>> & { samples: readonly Sample<ReduceAttrs>[] },
  result?: DType,
): OpRows<ReduceAttrs> {
  return defineRows<ReduceAttrs>({
    name,
    dtypes,
    family: 'accumulating',
    call: ([x], { dim, keepdim }) => reduction(x!, dim, keepdim),
    reference: ([x], attrs, round) => {
      const values = reduced(x!, dimsOf(attrs), attrs.keepdim ?? false, (slice) => fold(slice, round));
      return result ? { ...values, dtype: result } : values;
    },
    ...rest,
  });
}

export const commonErrors = (name: string, reduction: Reduction): ErrorRow[] => [
  {
    name: 'a dimension out of range',
    run: () => reduction(zeros([2, 3]), 2),
    code: 'ERR_ARGUMENT',
    message: `${name}: dimension 2 is out of range for a tensor with 2 dimensions`,
  },
  {
    name: 'a dimension twice',
    run: () => reduction(zeros([2, 3]), [1, -1]),
    code: 'ERR_ARGUMENT',
    message: `${name}: dimension 1 appears twice in dim`,
  },
];

export const needsFloat = (name: string, reduction: Reduction): ErrorRow => ({
  name: 'integers',
  run: () => reduction(zeros([2], { dtype: 'i32' })),
  code: 'ERR_DTYPE',
  message: `${name}: x must be a floating-point tensor but is i32`,
});

const add: Fold = (values, round) => values.reduce((a, b) => round(a + b), 0);
const multiply: Fold = (values, round) => values.reduce((a, b) => round(a * b), 1);
const bits: Sample<ReduceAttrs>[] = walks.map((sample) => ({
  ...sample,
  inputs: sample.inputs.map((spec) => spec && { ...spec, range: [0, 1] as const }),
}));
const factors: Sample<ReduceAttrs>[] = walks.map((sample) => ({
  ...sample,
  inputs: sample.inputs.map((spec) => spec && { ...spec, distinct: true }),
}));
const zerosAmong: Sample<ReduceAttrs>[] = [
  { name: 'one zero', inputs: [{ shape: [4], values: [2, 0, -1.5, 3] }], attrs: {}, smooth: false },
  { name: 'two zeros', inputs: [{ shape: [2, 3], values: [0, 2, 0, 1, 2, 3] }], attrs: { dim: 1 }, smooth: false },
];

export default [
  rowsOf('sum', sum, add, floats, {
    samples: [...walks, ...long, empty, notFinite, ...bench],
    errors: commonErrors('sum', sum),
  }),
  rowsOf('sum', sum, add, integers, { samples: [...walks, ...long, empty], differentiable: false }, 'i64'),
  rowsOf('sum', sum, add, ['bool'], { samples: bits, differentiable: false }, 'i64'),
  rowsOf('mean', mean, (values, round) => round(add(values, round) / values.length), floats, {
    samples: [...walks, ...long, empty, notFinite],
    errors: [...commonErrors('mean', mean), needsFloat('mean', mean)],
  }),
  rowsOf('prod', prod, multiply, floats, {
    samples: [...factors, ...zerosAmong, empty, notFinite],
    errors: commonErrors('prod', prod),
  }),
  rowsOf('prod', prod, multiply, ['i64', 'i32'], { samples: walks.slice(0, 6), differentiable: false }, 'i64'),
  ...(['any', 'all'] as const).map((name) =>
    rowsOf(
      name,
      name === 'any' ? any : all,
      (values) => Number(name === 'any' ? values.some((v) => v !== 0) : values.every((v) => v !== 0)),
      ['bool', 'f32', 'u8', 'i64', 'bf16'],
      {
        family: 'exact',
        samples: [...bits, empty, { ...notFinite, dtypes: ['f32', 'bf16'] }],
        differentiable: false,
        errors: commonErrors(name, name === 'any' ? any : all),
      },
      'bool',
    ),
  ),
] satisfies OpRows<ReduceAttrs>[];
