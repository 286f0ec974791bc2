// Layers that change the shape alone.
import { TilegradError } from '../error.ts';
import { resolveDim } from '../ops/arguments.ts';
import { reshape } from '../ops/index.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { Module } from './module.ts';

/** Joins the dimensions from `startDim` (default 1) to `endDim` (default the last) into one. As torch.nn.Flatten. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    const start = resolveDim('Flatten', this.startDim, x.rank);
    const end = resolveDim('Flatten', this.endDim, x.rank);
    if (start > end)
      throw new TilegradError('ERR_ARGUMENT', `Flatten: startDim ${this.startDim} comes after endDim ${this.endDim}`);
    const shape = [...x.shape];
    let joined = 1;
    for (let d = start; d <= end; d++) joined *= shape[d] ?? 1;
    shape.splice(start, end - start + 1, joined);
    return reshape(x, shape);
  }

  override extraRepr(): string {
    return `startDim=${this.startDim}, endDim=${this.endDim}`;
  }
}

/** Splits dimension `dim` into `sizes`, of which one may be -1. As torch.nn.Unflatten. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly sizes: Shape;

  constructor(dim: number, sizes: Shape) {
    super();
    this.dim = dim;
    this.sizes = [...sizes];
  }

  forward(x: Tensor): Tensor {
    const at = resolveDim('Unflatten', this.dim, x.rank);
    const known = this.sizes.reduce((n, size) => (size === -1 ? n : n * size), 1);
    const size = x.shape[at] as number;
    const sizes = this.sizes.map((part) => (part === -1 ? size / known : part));
    if (sizes.reduce((n, part) => n * part, 1) !== size || !sizes.every(Number.isInteger))
      throw new TilegradError(
        'ERR_SHAPE',
        `Unflatten: dimension ${this.dim} of size ${size} does not split into [${this.sizes.join(', ')}]`,
      );
    return reshape(x, [...x.shape.slice(0, at), ...sizes, ...x.shape.slice(at + 1)]);
  }

  override extraRepr(): string {
    return `dim=${this.dim}, sizes=[${this.sizes.join(', ')}]`;
  }
}
