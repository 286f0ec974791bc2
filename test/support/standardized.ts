// What the normalizations compute, plainly.
import type { NdArray } from './op_rows.ts';

export type Round = (x: number) => number;

/** Each run of `n` neighbours less its mean, over the root of its mean square plus eps. */
export function standardized(x: NdArray, n: number, center: boolean, eps: number, round: Round): Float64Array {
  const total = (terms: readonly number[]) => terms.reduce((a, b) => round(a + b), 0);
  const out = new Float64Array(x.data.length);
  for (let start = 0; start < x.data.length; start += n) {
    const values = [...x.data.subarray(start, start + n)];
    const mean = center ? round(total(values) / n) : 0;
    const variance = round(total(values.map((v) => round(round(v - mean) ** 2))) / n);
    const root = round(Math.sqrt(round(variance + eps)));
    values.forEach((v, i) => {
      out[start + i] = round(round(v - mean) / root);
    });
  }
  return out;
}
