import { arange, eye, linspace } from 'tilegrad';
import { defineRows, ndarray } from '../support/op_rows.ts';

/** The input only says the dtype and the device. */
const like = { shape: [2], grad: false } as const;
const numbers = ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8'] as const;

export default [
  defineRows<[number, number, number]>({
    name: 'arange',
    dtypes: numbers,
    family: 'exact',
    differentiable: false,
    call: ([x], [start, end, step]) => arange(start, end, step, { dtype: x!.dtype, device: x!.device }),
    reference: (_, [start, end, step]) => ndarray([Math.ceil((end - start) / step)], (i) => start + i * step),
    samples: [
      { inputs: [like], attrs: [0, 10, 1] },
      { inputs: [like], attrs: [5, -8, -3] },
      { inputs: [like], attrs: [3, 3, 1] },
      { inputs: [like], attrs: [0, 1, 0.1], dtypes: ['f32', 'f64', 'f16', 'bf16'] },
      { inputs: [like], attrs: [0, 70000, 1], dtypes: ['f32', 'f64', 'i64', 'i32'] },
    ],
    errors: [
      {
        name: 'a step of 0',
        run: () => arange(0, 1, 0),
        code: 'ERR_ARGUMENT',
        message: 'arange: no steps of 0 lead from 0 to 1',
      },
      {
        name: 'a step away',
        run: () => arange(0, 5, -1),
        code: 'ERR_ARGUMENT',
        message: 'arange: no steps of -1 lead from 0 to 5',
      },
      { name: 'NaN', run: () => arange(Number.NaN), code: 'ERR_ARGUMENT', message: 'arange: no steps of 1' },
      {
        name: 'values that do not fit',
        run: () => arange(0, 300, 1, { dtype: 'u8' }),
        code: 'ERR_ARGUMENT',
        message: 'arange: the last value 299 does not fit into u8',
      },
    ],
  }),
  defineRows<[number, number, number]>({
    name: 'linspace',
    dtypes: ['f32', 'f64', 'f16', 'bf16'],
    family: 'elementwise',
    differentiable: false,
    call: ([x], [start, end, count]) => linspace(start, end, count, { dtype: x!.dtype, device: x!.device }),
    reference: (_, [start, end, count]) =>
      ndarray([count], (i) => (i === 0 ? start : i === count - 1 ? end : start + (i * (end - start)) / (count - 1))),
    samples: [
      { inputs: [like], attrs: [1, 2, 7] },
      { inputs: [like], attrs: [3, -10, 20] },
      { inputs: [like], attrs: [2, 5, 1] },
      { inputs: [like], attrs: [2, 5, 0] },
    ],
    errors: [
      {
        name: 'a negative count',
        run: () => linspace(0, 1, -1),
        code: 'ERR_ARGUMENT',
        message: 'linspace: the number of elements must not be negative but is -1',
      },
    ],
  }),
  defineRows<[number, number]>({
    name: 'eye',
    dtypes: ['f32', 'bf16', 'i32', 'bool'],
    family: 'exact',
    differentiable: false,
    call: ([x], [n, m]) => eye(n, m, { dtype: x!.dtype, device: x!.device }),
    reference: (_, [n, m]) => ndarray([n, m], (i) => (Math.floor(i / m) === i % m ? 1 : 0)),
    samples: [
      { inputs: [like], attrs: [3, 3] },
      { inputs: [like], attrs: [2, 5] },
      { inputs: [like], attrs: [0, 2] },
    ],
  }),
];
