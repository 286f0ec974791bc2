import { sum, zeros } from 'tilegrad';
import { reduced } from '../support/ndarray.ts';
import { defineRows } from '../support/op_rows.ts';

interface ReduceAttrs {
  dim?: number | readonly number[] | null;
  keepdim?: boolean;
}

const dimsOf = ({ dim }: ReduceAttrs) => (typeof dim === 'number' ? [dim] : dim);

export default [
  defineRows<ReduceAttrs>({
    name: 'sum',
    dtypes: ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8', 'u8'],
    family: 'accumulating',
    call: ([x], { dim, keepdim }) => sum(x!, dim, keepdim),
    reference: ([x], attrs, round) =>
      reduced(x!, dimsOf(attrs), attrs.keepdim ?? false, (values) => values.reduce((a, b) => round(a + b), 0)),
    samples: [
      { inputs: [{ shape: [] }], attrs: {} },
      { inputs: [{ shape: [7] }], attrs: { dim: 0 } },
      { inputs: [{ shape: [3, 5] }], attrs: { dim: -1, keepdim: true } },
      { inputs: [{ shape: [3, 5] }], attrs: { dim: 0 } },
      { inputs: [{ shape: [2, 3, 4], range: [0, 2] }], attrs: { dim: [0, 2] } },
      { inputs: [{ shape: [1, 6] }], attrs: { dim: [], keepdim: false } },
      { inputs: [{ shape: [5, 257] }], attrs: { dim: 1 }, dtypes: ['f32', 'f64', 'f16', 'i64'] },
      { inputs: [{ shape: [0, 3] }], attrs: { dim: 0 } },
      { inputs: [{ shape: [0, 3] }], attrs: { dim: 1 } },
      {
        name: 'not finite',
        inputs: [{ shape: [3, 2], values: [Infinity, 1, -Infinity, Infinity, 2, Number.NaN] }],
        attrs: { dim: 1 },
        dtypes: ['f32', 'f64', 'f16', 'bf16'],
      },
    ],
    errors: [
      {
        name: 'a dimension out of range',
        run: () => sum(zeros([2, 3]), 2),
        code: 'ERR_ARGUMENT',
        message: 'sum: dimension 2 is out of range for a tensor with 2 dimensions',
      },
    ],
  }),
];
