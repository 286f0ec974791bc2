import * as t from 'tilegrad';
import { binary, floats, integers, unary } from '../support/elementwise_rows.ts';

const more = [1.5, 2.5, -1.5, -2.5, 0.49999997, 8388609, 1e15 + 0.5] as const;
const exact = { family: 'exact', more } as const;

function halfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

function remainder(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const rest = a % b;
  const whole = Math.round((a - rest) / b);
  return rest !== 0 && rest < 0 !== b < 0 ? whole - 1 : whole;
}

/** Integers have an answer for a divisor of 0. */
const or0 = (fn: (a: number, b: number) => number) => (a: number, b: number) => (b === 0 ? 0 : fn(a, b));

const division = { b: { range: [0.6, 3] }, a: { range: [-9, 9] } } as const;
const whole = { dtypes: integers, number: 3 } as const;

export default [
  unary('floor', t.floor, Math.floor, exact),
  unary('ceil', t.ceil, Math.ceil, exact),
  unary('round', t.round, halfEven, exact),
  unary('trunc', t.trunc, Math.trunc, exact),
  unary('frac', t.frac, (x) => x % 1, { more: [1.5, -2.25] }),
  binary('floor_divide', t.floorDivide, floorDivide, { ...division }),
  binary(
    'floor_divide',
    t.floorDivide,
    or0((a, b) => Math.floor(a / b)),
    { ...whole, title: 'floorDivide of integers' },
  ),
  binary('remainder', t.remainder, remainder, { ...division, family: 'exact', dtypes: floats }),
  binary('remainder', t.remainder, or0(remainder), { ...whole, title: 'remainder of integers' }),
  binary('fmod', t.fmod, (a, b) => a % b, { ...division, family: 'exact' }),
  binary(
    'fmod',
    t.fmod,
    or0((a, b) => a % b),
    { ...whole, title: 'fmod of integers' },
  ),
];
