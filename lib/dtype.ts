// Element types: names, promotion, and the typed arrays that carry them.
import { TilegradError } from './error.ts';
import { native } from './native.ts';

/** The element types of tensors. f16 and bf16 are stored in 16 bits and computed in f32. */
export type DType = 'f32' | 'f16' | 'bf16' | 'f64' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool';

/** All dtypes, in the order of the native enum. */
export const dtypes: readonly DType[] = ['f32', 'f16', 'bf16', 'f64', 'i64', 'i32', 'i8', 'u8', 'bool'];

if (dtypes.join() !== native.dtypes.join())
  throw new TilegradError(
    'ERR_UNSUPPORTED',
    `the addon's dtypes (${native.dtypes.join()}) are not those of lib/dtype.ts`,
  );

const codes = new Map<string, number>(dtypes.map((name, code) => [name, code]));

/** What other libraries call them. */
const otherNames = new Map<unknown, DType>([
  ['float32', 'f32'],
  ['float', 'f32'],
  ['float16', 'f16'],
  ['half', 'f16'],
  ['bfloat16', 'bf16'],
  ['float64', 'f64'],
  ['double', 'f64'],
  ['int64', 'i64'],
  ['long', 'i64'],
  ['int32', 'i32'],
  ['int', 'i32'],
  ['int8', 'i8'],
  ['uint8', 'u8'],
  ['boolean', 'bool'],
]);

/** The native code of a dtype; throws ERR_DTYPE for an unknown name. */
export function dtypeCode(dtype: DType): number {
  const code = codes.get(dtype);
  if (code === undefined) {
    const meant = otherNames.get(dtype);
    const hint = meant ? `, did you mean '${meant}'?` : `; the dtypes are ${dtypes.join(', ')}`;
    throw new TilegradError('ERR_DTYPE', `unknown dtype ${String(dtype)}${hint}`);
  }
  return code;
}

export const dtypeBytes: Readonly<Record<DType, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  f64: 8,
  i64: 8,
  i32: 4,
  i8: 1,
  u8: 1,
  bool: 1,
};

export const isFloat = (dtype: DType): boolean =>
  dtype === 'f32' || dtype === 'f16' || dtype === 'bf16' || dtype === 'f64';

/** The typed array that `data()` gives for a dtype: f16 and bf16 are widened to f32, bool is 0 or 1. */
export interface TypedArrayOf {
  f32: Float32Array;
  f16: Float32Array;
  bf16: Float32Array;
  f64: Float64Array;
  i64: BigInt64Array;
  i32: Int32Array;
  i8: Int8Array;
  u8: Uint8Array;
  bool: Uint8Array;
}
/** The typed arrays that hold the elements of a dtype. */
export type TypedArray = TypedArrayOf[DType];

/** Views the bytes of a dtype that has a JavaScript typed array (all but f16 and bf16). */
export function typedArray(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer);
    case 'f64':
      return new Float64Array(buffer);
    case 'i64':
      return new BigInt64Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'i8':
      return new Int8Array(buffer);
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer);
    default:
      throw new TilegradError('ERR_DTYPE', `${dtype} has no typed array in JavaScript`);
  }
}

// Rank by kind, then by width. Floats of 16 bits meet in f32; u8 with i8 needs 16 bits and so becomes i32, as there is
// no i16. An integer never becomes a float by itself except against a float tensor, whose dtype it then takes.
const integerRank: Partial<Record<DType, number>> = { bool: 0, u8: 1, i8: 1, i32: 2, i64: 3 };
const floatRank: Partial<Record<DType, number>> = { f16: 1, bf16: 1, f32: 2, f64: 3 };

/** The dtype that two tensors meet in (PyTorch's table on these dtypes, with u8 and i8 meeting in i32). */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  const fa = floatRank[a];
  const fb = floatRank[b];
  if (fa !== undefined && fb !== undefined) return fa === fb ? 'f32' : fa > fb ? a : b;
  if (fa !== undefined) return a;
  if (fb !== undefined) return b;
  const ia = integerRank[a] as number;
  const ib = integerRank[b] as number;
  return ia === ib ? 'i32' : ia > ib ? a : b;
}
