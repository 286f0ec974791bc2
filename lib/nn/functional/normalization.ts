// Normalization by norms.
import { checkOptions } from '../../error.ts';
import { clamp, div, norm } from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';

/** Options of `normalize`. */
export interface NormalizeOptions {
  /** Default: 2. */
  readonly p?: number | undefined;
  /** Default: 1. */
  readonly dim?: number | readonly number[] | undefined;
  /** The smallest norm that is divided by. Default: 1e-12. */
  readonly eps?: number | undefined;
}

/** x divided by its p-norm along `dim`. As torch.nn.functional.normalize. */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  checkOptions('normalize', options, ['p', 'dim', 'eps']);
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return div(x, clamp(norm(x, p, dim, true), eps));
}
