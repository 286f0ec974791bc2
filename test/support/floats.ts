// Rounding to the float dtypes and distances in units in the last place.
import type { DType } from 'tilegrad';

interface Format {
  /** Bits of the fraction, without the hidden one. */
  fraction: number;
  /** The exponent of the smallest normal number. */
  least: number;
  /** The largest finite number. */
  largest: number;
}

const formats: Partial<Record<DType, Format>> = {
  f16: { fraction: 10, least: -14, largest: 65504 },
  bf16: { fraction: 7, least: -126, largest: (2 - 2 ** -7) * 2 ** 127 },
  f32: { fraction: 23, least: -126, largest: (2 - 2 ** -23) * 2 ** 127 },
};

export const isFloat = (dtype: DType): boolean => dtype === 'f64' || dtype in formats;

/** Half the distance from 1 to the next number: the largest relative error of one rounding. */
export function roundingUnit(dtype: DType): number {
  return 2 ** -((formats[dtype]?.fraction ?? 52) + 1);
}

const double = new Float64Array(1);
const doubleBits = new BigInt64Array(double.buffer);
const doubleBytes = new DataView(double.buffer);

/** The exponent e of x = m * 2^e with 1 <= |m| < 2; x is finite and not 0. */
function exponentOf(x: number): number {
  doubleBytes.setFloat64(0, x);
  const biased = (doubleBytes.getUint16(0) >> 4) & 0x7ff;
  return biased === 0 ? exponentOf(x * 2 ** 60) - 60 : biased - 1023;
}

/** The nearest whole number, ties to the even one. */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** The number of the float dtype that is nearest to x, ties to even. Other dtypes: x itself. */
export function roundTo(dtype: DType, x: number): number {
  if (dtype === 'f32') return Math.fround(x);
  const format = formats[dtype];
  if (!format || !Number.isFinite(x) || x === 0) return x;
  const unit = 2 ** (Math.max(exponentOf(x), format.least) - format.fraction);
  const rounded = roundHalfEven(x / unit) * unit;
  return Math.abs(rounded) > format.largest ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

/** The position of x among the numbers of a format, counted from 0; infinity follows the largest number. */
function position(format: Format, x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude === 0) return 0;
  if (magnitude === Number.POSITIVE_INFINITY) return Math.sign(x) * (position(format, format.largest) + 1);
  const exponent = Math.max(exponentOf(magnitude), format.least);
  const place = (exponent - format.least) * 2 ** format.fraction + magnitude / 2 ** (exponent - format.fraction);
  return Math.sign(x) * place;
}

/** The position of x among the doubles. */
function doublePosition(x: number): bigint {
  double[0] = Math.abs(x);
  return x < 0 ? -doubleBits[0]! : doubleBits[0]!;
}

/** How many numbers of the float dtype lie from a to b: 0 if equal, 1 for neighbours. Infinite if one is NaN. */
export function ulpDistance(dtype: DType, a: number, b: number): number {
  if (a === b) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Number.POSITIVE_INFINITY;
  const format = formats[dtype];
  if (format) return Math.abs(position(format, a) - position(format, b));
  return Math.abs(Number(doublePosition(a) - doublePosition(b)));
}
