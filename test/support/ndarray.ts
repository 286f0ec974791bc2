// Index arithmetic for the references of test/ops: written plainly, for reading and not for speed.
import { type NdArray, ndarray } from './op_rows.ts';

export const numelOf = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** The coordinates of the flat row-major index `i`. */
export function coordinates(shape: readonly number[], i: number): number[] {
  const at = new Array<number>(shape.length).fill(0);
  for (let d = shape.length - 1; d >= 0; d--) {
    at[d] = i % shape[d]!;
    i = Math.floor(i / shape[d]!);
  }
  return at;
}

/** The flat row-major index of coordinates; those of size 1 count as 0 and leading ones may be missing, as in broadcasting. */
export function flatIndex(shape: readonly number[], at: readonly number[]): number {
  const lead = at.length - shape.length;
  let flat = 0;
  for (let d = 0; d < shape.length; d++) flat = flat * shape[d]! + (shape[d] === 1 ? 0 : at[d + lead]!);
  return flat;
}

/** The shape that all of `shapes` broadcast to. */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((shape) => shape[d - rank + shape.length] ?? 1).filter((size) => size !== 1);
    if (new Set(sizes).size > 1) throw new Error(`shapes ${JSON.stringify(shapes)} do not broadcast`);
    return sizes[0] ?? 1;
  });
}

/** Values of an array by coordinates, broadcast. */
export function element(x: NdArray, at: readonly number[]): number {
  return x.data[flatIndex(x.shape, at)] as number;
}

/** An array from its shape and a function of the coordinates. */
export function fromCoordinates(shape: readonly number[], value: (at: number[], i: number) => number): NdArray {
  return ndarray(shape, (i) => value(coordinates(shape, i), i));
}

/** `fn` of the elements of arrays that broadcast: the reference of an elementwise function. */
export function elementwise(fn: (...values: number[]) => number, ...arrays: readonly (NdArray | null)[]): NdArray {
  const given = arrays.map((x) => x as NdArray);
  const shape = broadcastShapes(...given.map((x) => x.shape));
  return fromCoordinates(shape, (at) => fn(...given.map((x) => element(x, at))));
}

/** The array with its dimensions in the order `dims`. */
export function permuted(x: NdArray, dims: readonly number[]): NdArray {
  const shape = dims.map((d) => x.shape[d]!);
  return fromCoordinates(shape, (at) => {
    const from = new Array<number>(at.length);
    dims.forEach((d, i) => {
      from[d] = at[i]!;
    });
    return element(x, from);
  });
}

/**
 * Folds the dimensions `dims` (all by default): `fold` gets the values of one result in row-major order. The result keeps
 * the folded dimensions with size 1 if `keepdim`.
 */
export function reduced(
  x: NdArray,
  dims: readonly number[] | null | undefined,
  keepdim: boolean,
  fold: (values: number[]) => number,
): NdArray {
  const rank = x.shape.length;
  const folded = new Set((dims ?? x.shape.map((_, d) => d)).map((d) => (d < 0 ? d + Math.max(rank, 1) : d)));
  const kept = x.shape.map((size, d) => (folded.has(d) ? 1 : size));
  const groups = Array.from({ length: numelOf(kept) }, () => [] as number[]);
  x.data.forEach((value, i) => {
    groups[flatIndex(kept, coordinates(x.shape, i))]!.push(value);
  });
  const shape = keepdim ? kept : x.shape.filter((_, d) => !folded.has(d));
  return ndarray(shape, (i) => fold(groups[i]!));
}
