// How precisely f32 matrix products and convolutions are computed where tensor cores could do it faster.
import { TilegradError } from './error.ts';

const precisions = ['highest', 'high', 'medium'] as const;

/** See {@link setFloat32MatmulPrecision}. */
export type Float32MatmulPrecision = (typeof precisions)[number];

let current: Float32MatmulPrecision = 'highest';

/**
 * Sets how f32 matrix products and convolutions are computed on CUDA from the next call on, their gradients included, with
 * sums in f32: 'highest' (default) in f32 throughout; 'high' may use the tensor cores with each operand as the sum of two
 * TF32 numbers (21 bits of mantissa: the error is near that of f32, an infinite operand gives NaN); 'medium' may round the
 * operands to TF32 (10 bits of mantissa), the fastest. The CPU and GPUs before compute capability 8.0 always compute in
 * f32. Throws ERR_ARGUMENT for another name. As torch.set_float32_matmul_precision, of whose promises each name keeps at
 * least its own: PyTorch's 'high' is one TF32 or two bfloat16, its 'medium' may be one bfloat16, and it leaves convolutions
 * to a setting of cuDNN.
 */
export function setFloat32MatmulPrecision(precision: Float32MatmulPrecision): void {
  if (!precisions.includes(precision))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `setFloat32MatmulPrecision: precision must be one of '${precisions.join("', '")}' but is ${
        typeof precision === 'string' ? `'${precision}'` : String(precision)
      }`,
    );
  current = precision;
}

/** What {@link setFloat32MatmulPrecision} was given last. As torch.get_float32_matmul_precision. */
export function getFloat32MatmulPrecision(): Float32MatmulPrecision {
  return current;
}

const attributes = Object.fromEntries(precisions.map((precision) => [precision, { precision }])) as Record<
  Float32MatmulPrecision,
  { precision: Float32MatmulPrecision }
>;

/** The attribute of ops that multiply matrices. @internal */
export function precisionAttribute(): { precision: Float32MatmulPrecision } {
  return attributes[current];
}
