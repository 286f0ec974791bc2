// Whether values agree with a reference, by tolerance family (see Family in op_rows.ts).
import type { DType } from 'tilegrad';
import { isFloat, roundTo, ulpDistance } from './floats.ts';
import { coordinates } from './ndarray.ts';
import type { Family, NdArray } from './op_rows.ts';

/** Values that an op gave. */
export interface Output {
  shape: readonly number[];
  dtype: DType;
  data: Float64Array;
  /** The bytes as they were read, for comparisons bit by bit. */
  bytes: Uint8Array;
}

/** Of the largest reference value; the error that the naive loop makes comes on top. */
const floorOf = (dtype: DType): number => (dtype === 'f64' ? 1e-12 : 1e-5);

const elementwiseUlps = (dtype: DType): number => (dtype === 'f16' || dtype === 'bf16' ? 1 : 4);

const spell = (x: number): string => (Object.is(x, -0) ? '-0' : String(x));

function place(shape: readonly number[], i: number): string {
  return `element ${i}${shape.length > 1 ? ` [${coordinates(shape, i).join(', ')}]` : ''}`;
}

export function largestOf(values: Iterable<number>): number {
  let largest = 0;
  for (const value of values) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** The shape or dtype that is wrong; undefined if neither is. */
export function formFault(got: Output, expected: NdArray, dtype: DType): string | undefined {
  const wanted = expected.dtype ?? dtype;
  if (got.shape.join() !== expected.shape.join())
    return `has shape [${got.shape.join(', ')}], expected [${expected.shape.join(', ')}]`;
  return got.dtype === wanted ? undefined : `has dtype ${got.dtype}, expected ${wanted}`;
}

/** The first element for which `wrong` gives a reason, in words. */
function firstFault(
  got: Output,
  expected: ArrayLike<number>,
  wrong: (got: number, expected: number, i: number) => string | undefined,
): string | undefined {
  let count = 0;
  let first: string | undefined;
  for (let i = 0; i < got.data.length; i++) {
    const [value, wanted] = [got.data[i]!, expected[i]!];
    const reason = wrong(value, wanted, i);
    if (reason === undefined) continue;
    count += 1;
    first ??= `${place(got.shape, i)}: got ${spell(value)}, expected ${spell(wanted)} (${reason})`;
  }
  return count > 1 ? `${first}; ${count} of ${got.data.length} elements are wrong` : first;
}

/** A reason if one of the two is not finite and they differ in kind; null if both are finite. */
function kindFault(got: number, expected: number): string | undefined | null {
  if (Number.isFinite(got) && Number.isFinite(expected)) return null;
  return Object.is(got, expected) ? undefined : 'of another kind';
}

/**
 * Compares with the true values; `naive` are those of the naive loop in the dtype's precision (accumulating family).
 * Returns the first fault in words.
 */
export function judge(got: Output, truth: NdArray, family: Family, naive: NdArray | null): string | undefined {
  const { dtype } = got;
  const rounded = truth.data.map((x) => roundTo(dtype, x));
  if (family === 'exact' || !isFloat(dtype))
    return firstFault(got, rounded, (a, b) => (a === b || (Number.isNaN(a) && Number.isNaN(b)) ? undefined : 'exact'));
  if (family === 'elementwise') {
    const allowed = elementwiseUlps(dtype);
    return firstFault(got, rounded, (a, b, i) => {
      if (!Number.isFinite(truth.data[i]!)) return kindFault(a, b) ?? undefined;
      const distance = ulpDistance(dtype, a, b);
      return distance <= allowed ? undefined : `${distance} ULP apart, ${allowed} allowed`;
    });
  }
  const naiveErrors = naive ? naive.data.map((x, i) => roundTo(dtype, x) - truth.data[i]!) : [];
  const allowed = 2 * largestOf(naiveErrors) + floorOf(dtype) * largestOf(truth.data);
  return firstFault(got, rounded, (a, b, i) => {
    const kind = kindFault(a, b);
    if (kind !== null) return kind;
    const error = Math.abs(a - truth.data[i]!);
    if (error <= allowed) return undefined;
    return `off by ${error.toExponential(2)}, ${allowed.toExponential(2)} allowed, ${ulpDistance(dtype, a, b)} ULP`;
  });
}

/** Compares with an absolute tolerance; what is not finite must agree in kind. */
export function judgeWithin(got: Output, expected: ArrayLike<number>, allowed: number): string | undefined {
  return firstFault(got, expected, (a, b) => {
    const kind = kindFault(a, b);
    if (kind !== null) return kind;
    const error = Math.abs(a - b);
    return error <= allowed ? undefined : `off by ${error.toExponential(2)}, ${allowed.toExponential(2)} allowed`;
  });
}

export const sameBits = (a: Output, b: Output): boolean =>
  a.dtype === b.dtype && a.shape.join() === b.shape.join() && Buffer.compare(a.bytes, b.bytes) === 0;

/** Where two outputs differ in a bit; undefined where they do not. */
export function bitFault(got: Output, expected: Output): string | undefined {
  if (sameBits(got, expected)) return undefined;
  if (got.shape.join() !== expected.shape.join() || got.dtype !== expected.dtype)
    return `${got.dtype} [${got.shape.join(', ')}] instead of ${expected.dtype} [${expected.shape.join(', ')}]`;
  return (
    firstFault(got, expected.data, (a, b) => (Object.is(a, b) ? undefined : 'other bits')) ?? 'other bits of a NaN'
  );
}
