// Inputs drawn from a seed: the same for every run, device and dtype (but for the rounding to it).
import type { DType } from 'tilegrad';
import { isFloat, roundTo } from './floats.ts';
import { numelOf } from './ndarray.ts';
import type { InputSpec, NdArray } from './op_rows.ts';

/** Numbers in [0, 1) from a text (mulberry32 over an FNV-1a hash). */
export function seeded(text: string): () => number {
  let state = 0x811c9dc5;
  for (const char of text) state = Math.imul(state ^ char.codePointAt(0)!, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An input as the tensor holds it: rounded to its dtype. */
export interface Input extends NdArray {
  readonly dtype: DType;
  readonly spec: InputSpec;
}

function shuffle(values: Float64Array, random: () => number): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}

/** Values on a grid of at least 0.06, moved by less than 0.005: at least 0.05 apart from one another and from 0. */
function distinctFloats(n: number, range: readonly [number, number] | undefined, random: () => number): Float64Array {
  const [low, high] = range ?? [-0.06 * Math.ceil(n / 2 + 1), 0.06 * Math.ceil(n / 2 + 1)];
  const step = Math.max(0.06, Math.floor(((high - low) / (n + 2)) * 1000) / 1000);
  const grid: number[] = [];
  for (let k = Math.ceil((low + 0.005) / step); k * step <= high - 0.005; k++) if (k !== 0) grid.push(k * step);
  if (grid.length < n) throw new Error(`a range of [${low}, ${high}] has no room for ${n} distinct floats`);
  const all = Float64Array.from(grid);
  shuffle(all, random);
  return all.subarray(0, n).map((value) => value + (random() - 0.5) * 0.01);
}

function drawn(spec: InputSpec, dtype: DType, random: () => number): Float64Array {
  const n = numelOf(spec.shape);
  if (isFloat(dtype)) {
    if (spec.distinct) return distinctFloats(n, spec.range, random);
    const [low, high] = spec.range ?? [-2, 2];
    return new Float64Array(n).map(() => low + (high - low) * random());
  }
  const [low, high] = dtype === 'bool' ? [0, 1] : (spec.range ?? (dtype === 'u8' ? [0, 9] : [-9, 9])).map(Math.round);
  return new Float64Array(n).map(() => low! + Math.floor((high! - low! + 1) * random()));
}

/** The values of an input for the dtype under test. */
export function makeInput(spec: InputSpec, underTest: DType, seed: string): Input {
  const dtype = spec.dtype ?? underTest;
  const n = numelOf(spec.shape);
  if (spec.values && spec.values.length !== n)
    throw new Error(`${spec.values.length} values are given for the shape [${spec.shape.join(', ')}]`);
  const values = spec.values ? Float64Array.from(spec.values) : drawn(spec, dtype, seeded(seed));
  return { shape: spec.shape, data: values.map((x) => roundTo(dtype, x)), dtype, spec };
}
