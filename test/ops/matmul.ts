import { type LinearActivation, linear, matmul, tensor, zeros } from 'tilegrad';
import { broadcastShapes, element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';
import { erfc } from '../support/special_functions.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
type Round = (x: number) => number;

const share = (x: number) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const activations: Record<LinearActivation, Round> = {
  relu: (x) => Math.max(x, 0),
  gelu: (x) => (x === -inf ? -0 : 0.5 * x * erfc(x * -Math.SQRT1_2)),
  gelu_tanh: (x) => x * share(2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x)),
  silu: (x) => x * share(x),
};

function product(a: NdArray, b: NdArray, round: Round): NdArray {
  const [rows, columns] = [
    a.shape.length > 1 ? a : { ...a, shape: [1, ...a.shape] },
    b.shape.length > 1 ? b : { ...b, shape: [...b.shape, 1] },
  ];
  const batch = broadcastShapes(rows.shape.slice(0, -2), columns.shape.slice(0, -2));
  const [m, n, depth] = [rows.shape.at(-2)!, columns.shape.at(-1)!, rows.shape.at(-1)!];
  const full = fromCoordinates([...batch, m, n], (at) => {
    const [lead, i, j] = [at.slice(0, -2), at.at(-2)!, at.at(-1)!];
    let total = 0;
    for (let k = 0; k < depth; k++)
      total = round(total + round(element(rows, [...lead, i, k]) * element(columns, [...lead, k, j])));
    return total;
  });
  const shape = [...batch, ...(a.shape.length > 1 ? [m] : []), ...(b.shape.length > 1 ? [n] : [])];
  return { shape, data: full.data };
}

/** Sizes on both sides of register tiles (4 to 14 rows, 8 to 64 columns) and of blocks of the depth (256 to 512). */
const sizes = [
  [1, 1, 1],
  [1, 7, 17],
  [5, 3, 1],
  [4, 8, 16],
  [6, 5, 33],
  [7, 64, 31],
  [13, 17, 65],
  [15, 257, 8],
  [29, 2, 130],
  [3, 1030, 5],
  [70, 50, 9],
  [37, 260, 52],
  [18, 1060, 34],
];

export default [
  defineRows({
    name: 'matmul',
    dtypes: floats,
    family: 'accumulating',
    call: ([a, b]) => matmul(a!, b!),
    reference: ([a, b], _, round) => product(a!, b!, round),
    samples: [
      ...sizes.map(([m, k, n]) => ({ inputs: [{ shape: [m!, k!] }, { shape: [k!, n!] }] })),
      { inputs: [{ shape: [5] }, { shape: [5] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [5] }] },
      { inputs: [{ shape: [5] }, { shape: [5, 3] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [5] }] },
      { inputs: [{ shape: [5] }, { shape: [2, 5, 3] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [2, 5, 4] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [5, 4] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [2, 5, 4] }] },
      { inputs: [{ shape: [2, 1, 3, 5] }, { shape: [3, 5, 4] }] },
      { inputs: [{ shape: [0, 3] }, { shape: [3, 4] }] },
      { inputs: [{ shape: [2, 0] }, { shape: [0, 4] }] },
      { inputs: [{ shape: [2, 3] }, { shape: [3, 0] }] },
      { inputs: [{ shape: [0, 2, 3] }, { shape: [3, 4] }] },
      {
        name: 'not finite',
        inputs: [
          { shape: [3, 2], values: [inf, 1, nan, 2, 1, 1] },
          { shape: [2, 2], values: [1, 0, 1, -inf] },
        ],
      },
    ],
    errors: [
      {
        name: 'inner sizes that differ',
        // @ts-expect-error: the compiler sees it too
        run: () => matmul(zeros([2, 3]), zeros([4, 5])),
        code: 'ERR_SHAPE',
        message: 'matmul: a has 3 columns but b has 4 rows (a [2, 3], b [4, 5])',
      },
      {
        name: 'batches that do not broadcast',
        run: () => matmul(zeros([2, 3, 4]), zeros([3, 4, 5])),
        code: 'ERR_SHAPE',
        message: 'matmul: ',
      },
      {
        name: 'a scalar',
        run: () => matmul(zeros([]), zeros([1, 2])),
        code: 'ERR_SHAPE',
        message: 'matmul: a and b must have at least 1 dimension (a [], b [1, 2])',
      },
      {
        name: 'integers',
        run: () => matmul(zeros([2, 2], { dtype: 'i32' }), zeros([2, 2], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: 'matmul: a must be a floating-point tensor but is i32',
      },
      {
        name: 'two dtypes',
        run: () => matmul(zeros([2, 2]), zeros([2, 2], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'matmul: a is f32 but b is f64; cast one of them',
      },
    ],
  }),
  defineRows<{ activation: LinearActivation } | undefined>({
    name: 'linear',
    dtypes: floats,
    family: 'accumulating',
    call: ([x, weight, bias, residual], epilogue) => linear(x!, weight!, bias, { residual, ...epilogue }),
    reference: ([x, weight, bias, residual], epilogue, round) => {
      const transposed = fromCoordinates([...weight!.shape].reverse(), ([i, j]) => element(weight!, [j!, i!]));
      const y = product(x!, transposed, round);
      return fromCoordinates(y.shape, (at, i) => {
        let sum = y.data[i]!;
        if (bias) sum = round(sum + element(bias, at));
        if (residual) sum = round(sum + residual.data[i]!);
        return epilogue?.activation ? round(activations[epilogue.activation](sum)) : sum;
      });
    },
    samples: [
      { inputs: [{ shape: [3, 5] }, { shape: [4, 5] }, { shape: [4] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [4, 5] }, null] },
      { inputs: [{ shape: [5] }, { shape: [4, 5] }, { shape: [4] }] },
      { inputs: [{ shape: [2, 3, 7] }, { shape: [17, 7] }, { shape: [17] }] },
      { inputs: [{ shape: [64, 33] }, { shape: [10, 33] }, { shape: [10] }] },
      { inputs: [{ shape: [0, 3] }, { shape: [2, 3] }, { shape: [2] }] },
      { inputs: [{ shape: [2, 0] }, { shape: [3, 0] }, { shape: [3] }] },
      // Epilogues on each way of a product: one row, few rows, no packing, packed panels, ragged tiles, several blocks.
      { inputs: [{ shape: [2, 3, 7] }, { shape: [17, 7] }, { shape: [17] }, { shape: [2, 3, 17] }] },
      { inputs: [{ shape: [5] }, { shape: [4, 5] }, null, { shape: [4] }], attrs: { activation: 'silu' } },
      { inputs: [{ shape: [1, 33] }, { shape: [65, 33] }, { shape: [65] }, null], attrs: { activation: 'gelu' } },
      {
        inputs: [{ shape: [40, 9] }, { shape: [1, 9] }, { shape: [1] }, { shape: [40, 1] }],
        attrs: { activation: 'gelu' },
      },
      { inputs: [{ shape: [2, 0] }, { shape: [3, 0] }, { shape: [3] }, null], attrs: { activation: 'silu' } },
      { inputs: [{ shape: [0, 3] }, { shape: [2, 3] }, null, null], attrs: { activation: 'gelu_tanh' } },
      ...(['relu', 'gelu', 'gelu_tanh', 'silu'] as const).flatMap((activation, i) => [
        {
          inputs: [{ shape: [64, 33] }, { shape: [10, 33] }, { shape: [10] }, null],
          attrs: { activation },
          ...(activation === 'relu' && { smooth: false as const }),
        },
        {
          inputs: [{ shape: [30, 300] }, { shape: [67, 300] }, i % 2 ? null : { shape: [67] }, { shape: [30, 67] }],
          attrs: { activation },
          ...(activation === 'relu' && { smooth: false as const }),
        },
      ]),
      { inputs: [{ shape: [300, 20] }, { shape: [50, 20] }, { shape: [50] }, null], attrs: { activation: 'silu' } },
      {
        name: 'not finite before an activation',
        inputs: [{ shape: [3, 1], values: [inf, -inf, nan] }, { shape: [1, 1], values: [1] }, null, null],
        attrs: { activation: 'gelu' },
        smooth: false,
      },
    ],
    errors: [
      {
        name: 'a residual of another shape',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), null, { residual: zeros([2, 3]) }),
        code: 'ERR_SHAPE',
        message: "linear: residual must have the output's shape [2, 4] but has [2, 3]",
      },
      {
        name: 'a residual of another dtype',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), null, { residual: zeros([2, 4], { dtype: 'f64' }) }),
        code: 'ERR_DTYPE',
        message: 'linear: input is f32 but residual is f64; cast one of them',
      },
      {
        name: 'an unknown activation',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), null, { activation: 'mish' as 'relu' }),
        code: 'ERR_ARGUMENT',
        message: "linear: activation must be one of 'none', 'relu', 'gelu', 'gelu_tanh', 'silu' but is 'mish'",
      },
      {
        name: 'an unknown option',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), null, { activate: 'relu' } as object),
        code: 'ERR_ARGUMENT',
        message: 'linear: ',
      },
      {
        name: 'a bias of another size',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), zeros([3])),
        code: 'ERR_SHAPE',
        message: 'linear: bias must have shape [4] but has [3]',
      },
      {
        name: 'another number of features',
        // @ts-expect-error: the compiler sees it too
        run: () => linear(zeros([2, 3]), zeros([4, 5])),
        code: 'ERR_SHAPE',
        message: 'linear: weight expects 5 features but input has 3 (input [2, 3], weight [4, 5])',
      },
      {
        name: 'a weight that is no matrix',
        run: () => linear(zeros([2, 3]), zeros([3])),
        code: 'ERR_SHAPE',
        message: 'linear: weight must have 2 dimensions but has shape [3]',
      },
      {
        name: 'a bias of another dtype',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), tensor([1, 2, 3, 4], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'linear: input is f32 but bias is f64; cast one of them',
      },
    ],
  }),
];
