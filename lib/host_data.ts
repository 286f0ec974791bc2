// Numbers of JavaScript as host bytes of a dtype, and back.
import { type DType, type TypedArray, typedArray } from './dtype.ts';
import { describeValue, TilegradError } from './error.ts';
import type { Shape } from './tensor.ts';

/** Nested arrays of numbers, as `tolist` gives and `tensor` takes them. */
export type Nested = number | boolean | bigint | readonly Nested[];

/** Typed arrays that can become tensors as they are. */
export type TensorData = Nested | TypedArray | Uint8ClampedArray | Float32Array | Float64Array;

/** By name, not by class: an array of another realm (a vm context, a test runner) is no instance of the classes here. */
export const arrayDtypes = new Map<string, DType>([
  ['Float32Array', 'f32'],
  ['Float64Array', 'f64'],
  ['BigInt64Array', 'i64'],
  ['Int32Array', 'i32'],
  ['Int8Array', 'i8'],
  ['Uint8Array', 'u8'],
  ['Uint8ClampedArray', 'u8'],
]);

/** The numbers in nested arrays, row-major, and the shape that these have. */
export function flatten(data: Nested): { values: (number | boolean | bigint)[]; shape: number[] } {
  const shape: number[] = [];
  for (let level: Nested = data; Array.isArray(level); level = level[0] as Nested) {
    shape.push(level.length);
    if (level.length === 0) break;
    if (shape.length > 8) throw new TilegradError('ERR_SHAPE', 'tensor: the data is nested more than 8 levels deep');
  }
  const values: (number | boolean | bigint)[] = [];
  const walk = (node: Nested, depth: number): void => {
    if (depth === shape.length) {
      if (typeof node !== 'number' && typeof node !== 'boolean' && typeof node !== 'bigint')
        throw new TilegradError(
          'ERR_ARGUMENT',
          `tensor: found ${Array.isArray(node) ? 'an array' : describeValue(node)} where a number was expected`,
        );
      values.push(node);
      return;
    }
    if (!Array.isArray(node) || node.length !== shape[depth])
      throw new TilegradError(
        'ERR_SHAPE',
        `tensor: the data is ragged at depth ${depth}: expected ${shape[depth]} entries${Array.isArray(node) ? ` but found ${node.length}` : ''}`,
      );
    for (const child of node as readonly Nested[]) walk(child, depth + 1);
  };
  walk(data, 0);
  return { values, shape };
}

/** Host bytes of numbers in a dtype with a typed array; checks what does not fit. */
export function pack(values: ArrayLike<number | boolean | bigint>, dtype: DType): ArrayBufferView {
  const n = values.length;
  const out = typedArray(
    dtype,
    new ArrayBuffer(n * (dtype === 'f64' || dtype === 'i64' ? 8 : dtype === 'f32' || dtype === 'i32' ? 4 : 1)),
  );
  for (let i = 0; i < n; i++) {
    const value = values[i] as number | boolean | bigint;
    if (dtype === 'f32' || dtype === 'f64') {
      out[i] = Number(value);
    } else if (dtype === 'bool') {
      out[i] = value ? 1 : 0;
    } else if (dtype === 'i64') {
      if (typeof value === 'number' && !Number.isSafeInteger(value))
        throw new TilegradError(
          'ERR_ARGUMENT',
          `tensor: ${value} is not a whole number that i64 holds exactly; use a bigint`,
        );
      out[i] = BigInt.asIntN(64, BigInt(value));
      if (out[i] !== BigInt(value)) throw new TilegradError('ERR_ARGUMENT', `tensor: ${value} does not fit into i64`);
    } else {
      out[i] = Number(value);
      if (out[i] !== Number(value))
        throw new TilegradError('ERR_ARGUMENT', `tensor: ${value} does not fit into ${dtype}`);
    }
  }
  return out;
}

/** {@link pack} for the floats of 16 bits. */
export function packHalf(values: ArrayLike<number | boolean | bigint>, dtype: 'f16' | 'bf16'): Uint16Array {
  const out = new Uint16Array(values.length);
  const narrow = dtype === 'f16' ? numberToHalf : numberToBfloat;
  for (let i = 0; i < out.length; i++) out[i] = narrow(Number(values[i]));
  return out;
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

// Both round the f32 nearest to the number, to nearest even, as native/core/dtype.h does.
function numberToBfloat(value: number): number {
  wordAsFloat[0] = value;
  const u = word[0] as number;
  return (u & 0x7fffffff) > 0x7f800000 ? (u >>> 16) | 0x40 : ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff;
}

function numberToHalf(value: number): number {
  wordAsFloat[0] = value;
  const sign = ((word[0] as number) >>> 16) & 0x8000;
  const u = (word[0] as number) & 0x7fffffff;
  if (u > 0x7f800000) return sign | 0x7e00;
  if (u >= 0x477ff000) return sign | 0x7c00;
  if (u >= 0x38800000) return sign | ((u - 0x38000000 + 0xfff + ((u >>> 13) & 1)) >>> 13);
  word[0] = u;
  wordAsFloat[0] = (wordAsFloat[0] as number) + 0.5;
  return sign | ((word[0] as number) - 0x3f000000);
}

/** The elements as nested arrays. */
export function nest(dtype: DType, shape: Shape, data: TypedArray): Nested {
  let at = 0;
  const value = (): Nested => {
    const element = data[at++] as number | bigint;
    return dtype === 'bool' ? element !== 0 : element;
  };
  const level = (dim: number): Nested =>
    dim === shape.length ? value() : Array.from({ length: shape[dim] as number }, () => level(dim + 1));
  return level(0);
}
