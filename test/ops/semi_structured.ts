import { semiStructuredCompress, semiStructuredDense, semiStructuredLinear, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type InputSpec, type NdArray, ndarray } from '../support/op_rows.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;

/** The two places of each of the six pairs, as 4 bits. */
const pairs = [0b0100, 0b1000, 0b1100, 0b1001, 0b1101, 0b1110];

/** Indices of a matrix of n rows and k columns, all pairs in turn. */
function indices(n: number, k: number): InputSpec {
  const pair = (i: number) => pairs[(i * 5 + Math.floor(i / 7)) % 6] as number;
  const values = Array.from({ length: (n * k) / 8 }, (_, i) => pair(2 * i) | (pair(2 * i + 1) << 4));
  return { shape: [n, k / 8], dtype: 'u8', values, grad: false };
}

function dense(values: NdArray, places: NdArray): NdArray {
  const [n, kept] = values.shape as [number, number];
  const data = new Float64Array(n * kept * 2);
  for (let i = 0; i < n * kept; i++) {
    const bits = (places.data[Math.floor(i / 4)] as number) >> ((Math.floor(i / 2) % 2) * 4);
    const place = i % 2 === 0 ? bits & 3 : (bits >> 2) & 3;
    data[Math.floor(i / 2) * 4 + place] = values.data[i] as number;
  }
  return { shape: [n, kept * 2], data };
}

/** The places of the two largest magnitudes of a group, in order; NaN is the largest, of equal ones the first wins. */
function kept(group: readonly number[]): number[] {
  const size = (i: number) => (Number.isNaN(group[i]) ? Number.POSITIVE_INFINITY : Math.abs(group[i] as number));
  const nan = (i: number) => Number(Number.isNaN(group[i]));
  return [0, 1, 2, 3]
    .sort((a, b) => nan(b) - nan(a) || (size(a) === size(b) ? 0 : size(b) - size(a)) || a - b)
    .slice(0, 2)
    .sort((a, b) => a - b);
}

const compress = defineRows({
  name: 'semi_structured_compress',
  covers: ['semi_structured_pick'],
  dtypes: floats,
  family: 'exact',
  call: ([weight]) => semiStructuredCompress(weight!),
  reference: ([weight]) => {
    const { shape, data } = weight as NdArray;
    const [n, k] = shape as [number, number];
    const places = Array.from({ length: (n * k) / 4 }, (_, g) => kept(Array.from(data.slice(g * 4, g * 4 + 4))));
    const bits = (g: number) => (places[g]![0] as number) | ((places[g]![1] as number) << 2);
    return [
      ndarray([n, k / 2], (i) => data[Math.floor(i / 2) * 4 + (places[Math.floor(i / 2)]![i % 2] as number)] as number),
      ndarray([n, k / 8], (i) => bits(2 * i) | (bits(2 * i + 1) << 4), 'u8'),
    ];
  },
  samples: [
    { inputs: [{ shape: [3, 16], values: Array.from({ length: 48 }, (_, i) => (((i * 29) % 47) - 20.5) / 8) }] },
    { inputs: [{ shape: [70, 8] }], smooth: false },
    { inputs: [{ shape: [1, 8], values: [1, -1, 1, -1, 0, 0, -0, 0] }], name: 'ties', smooth: false },
    {
      inputs: [{ shape: [1, 8], values: [Number.NaN, 1, -Infinity, Number.NaN, 3, Infinity, -Infinity, 2] }],
      name: 'not finite',
      smooth: false,
    },
    { inputs: [{ shape: [0, 8] }] },
    { inputs: [{ shape: [3, 0] }] },
  ],
  errors: [
    {
      name: 'columns',
      run: () => semiStructuredCompress(zeros([2, 12])),
      code: 'ERR_SHAPE',
      message: 'semi_structured_compress: the columns of weight must be a multiple of 8 (weight [2, 12])',
    },
    {
      name: 'integers',
      run: () => semiStructuredCompress(zeros([2, 8], { dtype: 'i32' })),
      code: 'ERR_DTYPE',
      message: 'semi_structured_compress: weight must be a floating-point tensor but is i32',
    },
  ],
});

const unpack = defineRows({
  name: 'semi_structured_dense',
  dtypes: floats,
  family: 'exact',
  call: ([values, places]) => semiStructuredDense(values!, places!),
  reference: ([values, places]) => dense(values!, places!),
  samples: [
    { inputs: [{ shape: [3, 8] }, indices(3, 16)] },
    { inputs: [{ shape: [65, 4] }, indices(65, 8)] },
    { inputs: [{ shape: [0, 4] }, indices(0, 8)] },
  ],
  errors: [
    {
      name: 'indices of another matrix',
      run: () => semiStructuredDense(zeros([2, 8]), zeros([2, 3], { dtype: 'u8' })),
      code: 'ERR_SHAPE',
      message: 'semi_structured_dense: indices must have shape [2, 2] for values [2, 8] but has [2, 3]',
    },
    {
      name: 'indices that are no bytes',
      run: () => semiStructuredDense(zeros([2, 8]), zeros([2, 2])),
      code: 'ERR_DTYPE',
      message: 'semi_structured_dense: indices must be u8 but is f32',
    },
  ],
});

const linear = defineRows({
  name: 'semi_structured_linear',
  dtypes: floats,
  family: 'accumulating',
  call: ([x, values, places, bias]) => semiStructuredLinear(x!, values!, places!, bias),
  reference: ([x, values, places, bias], _, round) => {
    const weight = dense(values!, places!);
    const [n, k] = weight.shape as [number, number];
    return fromCoordinates([...x!.shape.slice(0, -1), n], (at) => {
      const [lead, row] = [at.slice(0, -1), at.at(-1)!];
      let total = 0;
      for (let i = 0; i < k; i++) total = round(total + round(element(x!, [...lead, i]) * element(weight, [row, i])));
      return bias ? round(total + element(bias, [row])) : total;
    });
  },
  samples: [
    { inputs: [{ shape: [3, 16] }, { shape: [5, 8] }, indices(5, 16), { shape: [5] }] },
    { inputs: [{ shape: [2, 3, 64] }, { shape: [17, 32] }, indices(17, 64), null] },
    { inputs: [{ shape: [8] }, { shape: [3, 4] }, indices(3, 8), { shape: [3] }] },
    {
      inputs: [{ shape: [67, 200] }, { shape: [70, 100] }, indices(70, 200), { shape: [70] }],
      dtypes: ['f32', 'f16', 'bf16'],
    },
    { inputs: [{ shape: [0, 16] }, { shape: [5, 8] }, indices(5, 16), null] },
    { inputs: [{ shape: [2, 0] }, { shape: [3, 0] }, indices(3, 0), { shape: [3] }] },
  ],
  errors: [
    {
      name: 'another number of features',
      run: () => semiStructuredLinear(zeros([2, 8]), zeros([3, 8]), zeros([3, 2], { dtype: 'u8' })),
      code: 'ERR_SHAPE',
      message: 'semi_structured_linear: values are of 16 features but input has 8 (input [2, 8], values [3, 8])',
    },
    {
      name: 'a bias of another size',
      run: () => semiStructuredLinear(zeros([2, 16]), zeros([3, 8]), zeros([3, 2], { dtype: 'u8' }), zeros([4])),
      code: 'ERR_SHAPE',
      message: 'semi_structured_linear: bias must have shape [3] but has [4]',
    },
    {
      name: 'a scalar',
      run: () => semiStructuredLinear(zeros([]), zeros([3, 8]), zeros([3, 2], { dtype: 'u8' })),
      code: 'ERR_SHAPE',
      message: 'semi_structured_linear: input must have at least 1 dimension',
    },
  ],
});

export default [compress, unpack, linear];
