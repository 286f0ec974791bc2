import * as t from 'tilegrad';
import { unary } from '../support/elementwise_rows.ts';

const positive = { range: [0.3, 3] } as const;

export default [
  unary('exp', t.exp, Math.exp, { more: [709.7, -708, 1e-9] }),
  unary('log', t.log, Math.log, { ...positive, more: [0.9999, 1.0001] }),
  unary('sqrt', t.sqrt, Math.sqrt, { ...positive, family: 'exact' }),
  unary('rsqrt', t.rsqrt, (x) => 1 / Math.sqrt(x), positive),
  unary('reciprocal', t.reciprocal, (x) => 1 / x, { ...positive, family: 'exact' }),
  unary('tanh', t.tanh, Math.tanh, { covers: ['tanh_input_grad'] }),
];
