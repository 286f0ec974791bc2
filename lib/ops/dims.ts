// Dimensions added, dropped, joined, split and moved. All are views where the strides allow it.
import { TilegradError } from '../error.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim, wholeNumbers } from './arguments.ts';
import { permute, reshape, transpose } from './views.ts';

const dimsOf = (op: string, dim: number | readonly number[], rank: number): number[] =>
  wholeNumbers(op, 'dimensions', dim).map((d) => resolveDim(op, d, rank));

/** Drops dimensions of size 1: all, or those of `dim` that have it. A view. As torch.squeeze. */
export function squeeze(x: Tensor, dim?: number | readonly number[]): Tensor {
  const dims = dim === undefined ? x.shape.map((_, i) => i) : dimsOf('squeeze', dim, x.rank);
  return reshape(
    x,
    x.shape.filter((size, i) => size !== 1 || !dims.includes(i)),
  );
}

/** Adds a dimension of size 1 at position `dim` of the result. A view. As torch.unsqueeze. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const at = resolveDim('unsqueeze', dim, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/**
 * Joins the dimensions from `startDim` to `endDim` into one, row-major; a scalar becomes a vector of one. A view where
 * the strides allow it. Throws ERR_ARGUMENT if the end comes before the start. As torch.flatten.
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  const start = resolveDim('flatten', startDim, x.rank);
  const end = resolveDim('flatten', endDim, x.rank);
  if (end < start)
    throw new TilegradError('ERR_ARGUMENT', `flatten: endDim ${endDim} comes before startDim ${startDim}`);
  const joined = x.shape.slice(start, end + 1).reduce((n, size) => n * size, 1);
  return reshape(x, [...x.shape.slice(0, start), joined, ...x.shape.slice(end + 1)]);
}

/**
 * Splits dimension `dim` into `sizes`, of which one may be -1. A view. Throws ERR_SHAPE if they do not multiply to its
 * size. As torch.unflatten.
 */
export function unflatten(x: Tensor, dim: number, sizes: Shape): Tensor {
  const at = resolveDim('unflatten', dim, x.rank);
  const parts = wholeNumbers('unflatten', 'sizes', sizes);
  const size = x.shape[at] ?? 1;
  const known = parts.filter((n) => n !== -1).reduce((n, s) => n * s, 1);
  const found = parts.map((n) => (n === -1 ? size / known : n));
  const total = found.reduce((n, s) => n * s, 1);
  if (parts.filter((n) => n === -1).length > 1 || !found.every(Number.isSafeInteger) || total !== size)
    throw new TilegradError(
      'ERR_SHAPE',
      `unflatten: dimension ${dim} of size ${size} does not split into [${parts.join(', ')}]`,
    );
  return reshape(x, [...x.shape.slice(0, at), ...found, ...x.shape.slice(at + 1)]);
}

/**
 * Moves the dimensions `source` to the positions `destination`; the others keep their order. A view. Throws ERR_ARGUMENT
 * unless both name the same number of different dimensions. As torch.movedim.
 */
export function movedim(
  x: Tensor,
  source: number | readonly number[],
  destination: number | readonly number[],
): Tensor {
  const from = dimsOf('movedim', source, x.rank);
  const to = dimsOf('movedim', destination, x.rank);
  if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `movedim: [${from.join(', ')}] and [${to.join(', ')}] must be as many dimensions, each named once`,
    );
  const rest = x.shape.map((_, i) => i).filter((i) => !from.includes(i));
  return permute(
    x,
    x.shape.map((_, i) => (to.includes(i) ? (from[to.indexOf(i)] as number) : (rest.shift() as number))),
  );
}

/** Exchanges two dimensions. A view. As torch.swapaxes. */
export function swapaxes(x: Tensor, axis0: number, axis1: number): Tensor {
  return transpose(x, axis0, axis1);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link squeeze}. */
    squeeze(dim?: number | readonly number[]): Tensor;
    /** {@link unsqueeze}. */
    unsqueeze(dim: number): Tensor;
    /** {@link flatten}. */
    flatten(startDim?: number, endDim?: number): Tensor;
    /** {@link unflatten}. */
    unflatten(dim: number, sizes: Shape): Tensor;
    /** {@link movedim}. */
    movedim(source: number | readonly number[], destination: number | readonly number[]): Tensor;
    /** {@link swapaxes}. */
    swapaxes(axis0: number, axis1: number): Tensor;
  }
}

const { prototype } = Tensor;
prototype.squeeze = function (dim) {
  return squeeze(this, dim);
};
prototype.unsqueeze = function (dim) {
  return unsqueeze(this, dim);
};
prototype.flatten = function (startDim, endDim) {
  return flatten(this, startDim, endDim);
};
prototype.unflatten = function (dim, sizes) {
  return unflatten(this, dim, sizes);
};
prototype.movedim = function (source, destination) {
  return movedim(this, source, destination);
};
prototype.swapaxes = function (axis0, axis1) {
  return swapaxes(this, axis0, axis1);
};
