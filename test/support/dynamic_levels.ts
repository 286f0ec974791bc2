// What the rows of products expect of an input that is quantised by its own range.
import { roundHalfEven } from './floats.ts';
import type { NdArray } from './op_rows.ts';

/** The levels (u8) of x, and what they mean: (level - zero) * scale. As ONNX's DynamicQuantizeLinear, in f32. */
export function dynamicLevels(x: NdArray): { levels: number[]; scale: number; zero: number } {
  const values = Array.from(x.data, Number);
  const [least, most] = [values.reduce((a, b) => Math.min(a, b), 0), values.reduce((a, b) => Math.max(a, b), 0)];
  const scale = least === most ? 1 : Math.fround(Math.fround(most - least) / 255);
  const zero = Math.min(Math.max(roundHalfEven(Math.fround(-least / scale)), 0), 255);
  const level = (v: number) => Math.min(Math.max(roundHalfEven(Math.fround(v / scale)) + zero, 0), 255);
  return { levels: values.map(level), scale, zero };
}
