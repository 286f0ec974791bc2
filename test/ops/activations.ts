import * as t from 'tilegrad';
import { numbers, unary } from '../support/elementwise_rows.ts';

export default [
  unary('relu', t.relu, (x) => Math.max(x, 0), {
    dtypes: numbers,
    family: 'exact',
    distinct: true,
    covers: ['relu_input_grad'],
  }),
  unary('sigmoid', t.sigmoid, (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))), {
    covers: ['sigmoid_input_grad'],
  }),
];
