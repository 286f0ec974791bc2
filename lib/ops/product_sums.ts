// Products of matrices that are scaled and added to something.
import { checkOptions } from '../error.ts';
import type { Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { add, mul } from './elementwise.ts';
import { matmul } from './matmul.ts';

/** Options of `addmm` and `baddbmm`. */
export interface AddProductOfMatricesOptions {
  /** The factor of what is added to; at 0 that is not read. Default: 1. */
  beta?: number | undefined;
  /** The factor of the product. Default: 1. */
  alpha?: number | undefined;
}

function scaledSum(user: string, c: Tensor, a: Tensor, b: Tensor, options: AddProductOfMatricesOptions): Tensor {
  checkOptions(user, options, ['beta', 'alpha']);
  const { beta = 1, alpha = 1 } = options;
  // Floats of 16 bits are rounded once, at the end.
  const short = (a.dtype === 'f16' || a.dtype === 'bf16') && a.dtype === b.dtype && a.dtype === c.dtype;
  if (short) return cast(scaledSum(user, cast(c, 'f32'), cast(a, 'f32'), cast(b, 'f32'), options), a.dtype);
  const product = alpha === 1 ? matmul(a, b) : mul(matmul(a, b), alpha);
  if (beta === 0) return product;
  return add(beta === 1 ? c : mul(c, beta), product);
}

/**
 * beta c + alpha a b for a (m, k), b (k, n) and a c that broadcasts to (m, n). Throws as {@link matmul}. As torch.addmm.
 */
export function addmm(c: Tensor, a: Tensor, b: Tensor, options: AddProductOfMatricesOptions = {}): Tensor {
  return scaledSum('addmm', c, a, b, options);
}

/** {@link addmm} for batches: a (N, m, k), b (N, k, n). As torch.baddbmm. */
export function baddbmm(c: Tensor, a: Tensor, b: Tensor, options: AddProductOfMatricesOptions = {}): Tensor {
  return scaledSum('baddbmm', c, a, b, options);
}
