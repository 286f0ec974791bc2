import { type SparseCsr, sparseLinear, type Tensor, tensor, toSparseCsr, zeros } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, ndarray } from '../support/op_rows.ts';

/** Values of which a share is 0, the same at every run. */
function sparse(rows: number, columns: number, kept: number): InputSpec {
  let state = rows * 31 + columns;
  const values = Array.from({ length: rows * columns }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const drawn = state / 2 ** 32;
    return drawn < kept ? Math.round((drawn / kept - 0.5) * 64) / 16 + 1 / 32 : 0;
  });
  return { shape: [rows, columns], values, grad: false };
}

const compressed = defineRows({
  name: 'to_csr',
  dtypes: ['f32', 'f64'],
  family: 'exact',
  differentiable: false,
  call: ([x]) => {
    const { crowIndices, colIndices, values } = toSparseCsr(x as Tensor);
    return [crowIndices, colIndices, values];
  },
  reference: ([x]) => {
    const { shape, data, dtype } = x as NdArray;
    const [rows, columns] = shape as [number, number];
    const at = Array.from(data, (v, i) => [v, i] as const).filter(([v]) => v !== 0);
    const start = Array.from({ length: rows + 1 }, (_, i) => at.filter(([, j]) => j < i * columns).length);
    const held = at.length > 0 ? at : [[0, 0] as const];
    return [
      ndarray([rows + 1], (i) => start[i] as number, 'i32'),
      ndarray([held.length], (i) => (held[i] as readonly [number, number])[1] % Math.max(columns, 1), 'i32'),
      ndarray([held.length], (i) => (held[i] as readonly [number, number])[0], dtype),
    ];
  },
  samples: [
    { inputs: [sparse(9, 14, 0.3)] },
    { inputs: [sparse(5, 7, 1.1)] },
    { inputs: [{ shape: [3, 4], values: new Array(12).fill(0), grad: false }] },
  ],
  errors: [
    {
      name: 'a vector',
      run: () => toSparseCsr(zeros([3])),
      code: 'ERR_SHAPE',
      message: 'to_csr: the input must have 2 dimensions but has shape [3]',
    },
  ],
});

const linearRows = defineRows<{ bias?: boolean }>({
  name: 'csr_linear',
  dtypes: ['f32', 'f64'],
  family: 'accumulating',
  differentiable: false,
  call: ([x, weight, bias]) => sparseLinear(x as Tensor, toSparseCsr(weight as Tensor), bias ?? null),
  reference: ([x, weight, bias], _attrs, round) => {
    const [n, k] = weight!.shape as [number, number];
    return ndarray([...x!.shape.slice(0, -1), n], (index) => {
      const row = Math.floor(index / n);
      let sum = 0;
      for (let j = 0; j < k; j++)
        sum = round(sum + round((x!.data[row * k + j] as number) * (weight!.data[(index % n) * k + j] as number)));
      return round(sum + (bias ? (bias.data[index % n] as number) : 0));
    });
  },
  timed: [
    { inputs: [{ shape: [1, 1024] }, sparse(1024, 1024, 0.2)], attrs: {} },
    { inputs: [{ shape: [64, 1024] }, sparse(1024, 1024, 0.2)], attrs: {} },
  ],
  samples: [
    { inputs: [{ shape: [3, 40] }, sparse(17, 40, 0.2)], attrs: {} },
    { inputs: [{ shape: [40] }, sparse(17, 40, 0.2), { shape: [17] }], attrs: { bias: true } },
    { inputs: [{ shape: [2, 5, 33] }, sparse(50, 33, 0.3), { shape: [50] }], attrs: { bias: true } },
    { inputs: [{ shape: [70, 129] }, sparse(35, 129, 0.1), { shape: [35] }], attrs: { bias: true } },
    { inputs: [{ shape: [2, 200] }, sparse(11, 200, 0.4)], attrs: {} },
    { inputs: [{ shape: [20, 31] }, sparse(33, 31, 0.3)], attrs: {} },
    { inputs: [{ shape: [9, 4] }, { shape: [6, 4], values: new Array(24).fill(0), grad: false }], attrs: {} },
    { inputs: [{ shape: [0, 8] }, sparse(4, 8, 0.5)], attrs: {} },
  ],
  errors: [
    {
      name: 'a column beyond x',
      run: () => sparseLinear(zeros([2, 3]), toSparseCsr(tensor([[0, 0, 0, 1]]))),
      code: 'ERR_ARGUMENT',
      message: 'csr_linear: a column is not from 0 to 2',
    },
    {
      name: 'starts that fall',
      run: () =>
        sparseLinear(zeros([2, 3]), {
          crowIndices: tensor([0, 2, 1], { dtype: 'i32' }),
          colIndices: tensor([0, 1], { dtype: 'i32' }),
          values: tensor([1, 1]),
        }),
      code: 'ERR_ARGUMENT',
      message: 'csr_linear: row_start must begin with 0, not fall, and end within 2 values',
    },
    {
      name: 'no weight',
      run: () => sparseLinear(zeros([2, 3]), {} as SparseCsr),
      code: 'ERR_ARGUMENT',
      message: 'csr_linear: the weight must have crowIndices, colIndices and values, as toSparseCsr gives them',
    },
  ],
});

export default [compressed, linearRows];
