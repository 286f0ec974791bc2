import { dtypes, full, ones, onesLike, type Shape, zeros, zerosLike } from 'tilegrad';
import { ndarray } from '../support/op_rows.ts';
import { defineRows } from '../support/op_rows.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;

/** The input only says the dtype and the device. */
const like = { shape: [2], grad: false } as const;
const shapes: Shape[] = [[], [1], [7], [3, 17], [0], [2, 0, 3], [70, 1000]];

export default [
  defineRows<{ shape: Shape; value: number }>({
    name: 'full',
    dtypes,
    family: 'exact',
    differentiable: false,
    call: ([x], { shape, value }) => full(shape, value, { dtype: x!.dtype, device: x!.device }),
    reference: (_, { shape, value }) => ndarray(shape, () => value),
    samples: [
      ...shapes.map((shape) => ({ inputs: [like], attrs: { shape, value: 1 } })),
      ...[-0.1, 1e-40, 1e300, Infinity, Number.NaN].map((value) => ({
        inputs: [like],
        attrs: { shape: [3], value },
        dtypes: floats,
      })),
      { inputs: [like], attrs: { shape: [3], value: -(2 ** 31) }, dtypes: ['i32'] },
      { inputs: [like], attrs: { shape: [3], value: 255 }, dtypes: ['u8'] },
    ],
    errors: [
      {
        name: 'a value that does not fit',
        run: () => full([2], 256, { dtype: 'u8' }),
        code: 'ERR_ARGUMENT',
        message: 'full: value 256 does not fit into u8',
      },
      {
        name: 'a fraction for an integer',
        run: () => full([2], 0.5, { dtype: 'i64' }),
        code: 'ERR_ARGUMENT',
        message: 'full: value 0.5 does not fit into i64',
      },
      {
        name: 'NaN for an integer',
        run: () => full([2], Number.NaN, { dtype: 'i32' }),
        code: 'ERR_ARGUMENT',
        message: /nan/i,
      },
      { name: 'a negative size', run: () => full([2, -1], 0), code: 'ERR_SHAPE', message: 'full: ' },
      { name: 'a huge size', run: () => full([2 ** 40, 2 ** 40], 0), code: 'ERR_SHAPE', message: 'full: ' },
      { name: 'a fraction as size', run: () => full([1.5], 0), code: 'ERR_ARGUMENT', message: 'full: shape must be' },
      {
        name: 'nine dimensions',
        run: () => full(Array(9).fill(1), 0),
        code: 'ERR_ARGUMENT',
        message: 'full: shape has 9',
      },
    ],
  }),
  defineRows<Shape>({
    name: 'zeros',
    dtypes: ['f32', 'f64', 'i64', 'bool'],
    family: 'exact',
    differentiable: false,
    call: ([x], shape) => {
      const options = { dtype: x!.dtype, device: x!.device };
      return [zeros(shape, options), ones(shape, options), zerosLike(x!), onesLike(x!)];
    },
    reference: ([x], shape) => [0, 1, 2, 3].map((i) => ndarray(i < 2 ? shape : x!.shape, () => i % 2)),
    samples: [
      { inputs: [like], attrs: [] },
      { inputs: [{ shape: [0, 2], grad: false }], attrs: [3, 2] },
    ],
  }),
];
