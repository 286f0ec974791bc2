import * as t from 'tilegrad';
import { binary, unary } from '../support/elementwise_rows.ts';
import { erf, erfc } from '../support/special_functions.ts';

const positive = { range: [0.3, 3] } as const;
const inside = { range: [-0.9, 0.9], more: [0.999, -0.999, 0.71, 1e-3] } as const;
const angles = { more: [Math.PI, Math.PI / 2, -2.5 * Math.PI, 100, -1000, 1e4, 355, 1e7] } as const;

export default [
  unary('exp', t.exp, Math.exp, {
    more: [709.7, -708, 1e-9],
    errors: [
      {
        name: 'integers',
        run: () => t.exp(t.tensor([1, 2], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: "exp: is defined for floating-point tensors, not for i32; cast it, for example with to('f32')",
      },
      {
        name: 'a number',
        run: () => t.exp(1 as unknown as t.Tensor),
        code: 'ERR_ARGUMENT',
        message: 'exp: input 0 must be a tensor but is 1',
      },
    ],
  }),
  unary('exp2', t.exp2, (x) => 2 ** x, { more: [127.9, -149, 1023.9] }),
  unary('expm1', t.expm1, Math.expm1),
  unary('log', t.log, Math.log, { ...positive, more: [0.9999, 1.0001] }),
  unary('log2', t.log2, Math.log2, { ...positive, more: [0.9999, 1.0001] }),
  unary('log10', t.log10, Math.log10, { ...positive, more: [0.9999, 1.0001, 1000] }),
  unary('log1p', t.log1p, Math.log1p, { range: [-0.6, 2], more: [-0.9999, 1e-4] }),
  unary('sqrt', t.sqrt, Math.sqrt, { ...positive, family: 'exact' }),
  unary('rsqrt', t.rsqrt, (x) => 1 / Math.sqrt(x), positive),
  unary('sin', t.sin, Math.sin, angles),
  unary('cos', t.cos, Math.cos, angles),
  unary('tan', t.tan, Math.tan, { ...angles, range: [-1.2, 1.2] }),
  unary('asin', t.asin, Math.asin, inside),
  unary('acos', t.acos, Math.acos, inside),
  unary('atan', t.atan, Math.atan),
  binary('atan2', t.atan2, Math.atan2, { b: { range: [0.5, 3] } }),
  unary('sinh', t.sinh, Math.sinh),
  unary('cosh', t.cosh, Math.cosh),
  unary('tanh', t.tanh, Math.tanh, { covers: ['tanh_input_grad'] }),
  unary('asinh', t.asinh, Math.asinh),
  unary('acosh', t.acosh, Math.acosh, { range: [1.3, 4], more: [1.0001, 1.5] }),
  unary('atanh', t.atanh, Math.atanh, inside),
  unary('erf', t.erf, erf, { more: [0.99, 1.01, 2, 3.9, 4.1, 5.9] }),
  unary('erfc', t.erfc, erfc, { more: [0.4, 0.99, 2, 5, 9, 10.1] }),
];
