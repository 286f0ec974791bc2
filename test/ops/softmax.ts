// softmax and log_softmax.
import { logSoftmax, softmax, tensor } from 'tilegrad';
import { defineRows, type ErrorRow, type NdArray, type OpRows, type Sample } from '../support/op_rows.ts';

interface Attrs {
  dim?: number;
}

/** Applies `f` to every slice along the dimension. */
function alongDim({ shape, data }: NdArray, dim: number, f: (slice: number[]) => number[]): NdArray {
  const axis = dim < 0 ? dim + shape.length : dim;
  const n = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const out = new Float64Array(data.length);
  for (let start = 0; start < data.length; start++) {
    if (Math.floor(start / inner) % n !== 0) continue;
    const slice = Array.from({ length: n }, (_, i) => data[start + i * inner] as number);
    f(slice).forEach((value, i) => {
      out[start + i * inner] = value;
    });
  }
  return { shape, data: out };
}

/** Exponentials less the largest, and their sum, rounded step by step. */
function exponentials(x: number[], round: (x: number) => number): { e: number[]; sum: number; largest: number } {
  const largest = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = x.map((v) => round(Math.exp(round(v - largest))));
  return { e, sum: e.reduce((a, b) => round(a + b), 0), largest };
}

const inf = Infinity;
const samples: Sample<Attrs>[] = [
  { inputs: [{ shape: [5] }], attrs: {} },
  { inputs: [{ shape: [3, 7] }], attrs: { dim: 1 } },
  { inputs: [{ shape: [7, 3] }], attrs: { dim: 0 } },
  { inputs: [{ shape: [2, 5, 70] }], attrs: { dim: 1 } },
  { inputs: [{ shape: [3, 133] }], attrs: { dim: -1 } },
  { inputs: [{ shape: [2, 3, 4, 5] }], attrs: { dim: -3 } },
  { inputs: [{ shape: [4, 1] }], attrs: { dim: 1 } },
  { inputs: [{ shape: [0, 4] }], attrs: { dim: 1 } },
  { inputs: [{ shape: [] }], attrs: { dim: 0 } },
  { name: 'large values', inputs: [{ shape: [2, 3], values: [1000, 999, -1000, -5000, -5001, -5002] }], attrs: {} },
  { name: 'masked by -inf', inputs: [{ shape: [2, 3], values: [0, -inf, 1, 2, 2, -inf] }], attrs: {}, smooth: false },
  { name: 'a row of -inf', inputs: [{ shape: [2, 2], values: [-inf, -inf, 1, 2] }], attrs: {}, smooth: false },
  { name: 'NaN and inf', inputs: [{ shape: [3, 2], values: [NaN, 0, inf, 0, 1, 2] }], attrs: {}, smooth: false },
  { inputs: [{ shape: [1024, 1024] }], attrs: { dim: 1 }, dtypes: ['f32'], smooth: false, bench: true },
  { inputs: [{ shape: [64, 10] }], attrs: { dim: 1 }, dtypes: ['f32'], bench: true },
];

const errors = (name: string, call: typeof softmax): ErrorRow[] => [
  {
    name: 'dim out of range',
    run: () => call(tensor([[1, 2]]), 2),
    code: 'ERR_ARGUMENT',
    message: `${name}: dimension 2 is out of range for a tensor with 2 dimensions`,
  },
  {
    name: 'integers',
    run: () => call(tensor([1, 2], { dtype: 'i64' })),
    code: 'ERR_DTYPE',
    message: `${name}: x must be a floating-point tensor but is i64`,
  },
];

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;

export default [
  defineRows<Attrs>({
    name: 'softmax',
    covers: ['softmax_input_grad'],
    dtypes,
    family: 'accumulating',
    call: ([x], { dim }) => softmax(x!, dim),
    reference: ([x], { dim = -1 }, round) =>
      alongDim(x!, dim, (slice) => {
        const { e, sum } = exponentials(slice, round);
        return e.map((v) => round(v / sum));
      }),
    samples,
    errors: errors('softmax', softmax),
  }),
  defineRows<Attrs>({
    name: 'log_softmax',
    covers: ['log_softmax_input_grad'],
    dtypes,
    family: 'accumulating',
    call: ([x], { dim }) => logSoftmax(x!, dim),
    reference: ([x], { dim = -1 }, round) =>
      alongDim(x!, dim, (slice) => {
        const { sum, largest } = exponentials(slice, round);
        return slice.map((v) => round(round(v - largest) - round(Math.log(sum))));
      }),
    samples,
    errors: errors('log_softmax', logSoftmax),
  }),
] satisfies OpRows<Attrs>[];
