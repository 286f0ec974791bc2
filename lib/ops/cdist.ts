// Distances between all pairs of two sets of vectors.
import { checkOptions } from '../error.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { unsqueeze } from './dims.ts';
import { sub } from './elementwise.ts';
import { norm } from './moments.ts';

/**
 * The p-norms (default: 2) of the differences of all rows: a (..., P, M) and b (..., R, M) give (..., P, R). The differences are
 * written out, P times R times M numbers. The gradient is 0 where a 2-norm is 0. Throws ERR_SHAPE where the shapes do not
 * broadcast. As torch.cdist.
 */
export function cdist(a: Tensor, b: Tensor, options: { p?: number | undefined } = {}): Tensor {
  checkOptions('cdist', options, ['p']);
  expectTensor('cdist', 'a', a);
  expectTensor('cdist', 'b', b);
  return norm(sub(unsqueeze(a, -2), unsqueeze(b, -3)), options.p ?? 2, -1);
}
