// Rows of a data set as one batch.
import type { Device } from '../device.ts';
import type { DType } from '../dtype.ts';
import { checkOptions } from '../error.ts';
import { defineOp } from '../op.ts';
import { type Tensor, tensor } from '../tensor.ts';

/** What `gatherRows` does to the rows on the way. */
export interface GatherRowsOptions {
  /** Dtype of the batch. Default: f32 where it is scaled, else that of `source`. */
  readonly dtype?: DType | undefined;
  /** Factor of each channel, or one for all. Default 1. */
  readonly scale?: readonly number[] | undefined;
  /** Summand of each channel, or one for all. Default 0. */
  readonly shift?: readonly number[] | undefined;
  /** Pixels down and right that each image of the batch is moved, i32 (B, 2); zeros come in before scaling. */
  readonly offset?: Tensor | undefined;
}

/**
 * Rows of `source` (N, C, ...) with the numbers in `index`, i32 or i64 (B), as a batch (B, C, ...):
 * `source[index] * scale + shift`, computed in f64 and rounded once. The source is meant to be a data set, so no gradient
 * flows. Throws `ERR_SHAPE` or `ERR_DTYPE` for inputs that do not fit; an index out of range is reported as
 * `ERR_ARGUMENT` at the next await.
 */
export const gatherRows = defineOp('gather_rows', {
  call:
    (run) =>
    (source: Tensor, index: Tensor, options: GatherRowsOptions = {}): Tensor => {
      checkOptions('gatherRows', options, ['dtype', 'scale', 'shift', 'offset']);
      const { scale, shift, offset = null } = options;
      const scaled = scale !== undefined || shift !== undefined;
      const dtype = options.dtype ?? (scaled ? 'f32' : source.dtype);
      if (!scaled && dtype === source.dtype) return run([source, index, null, null, offset], { dtype });
      const width = Math.max(scale?.length ?? 1, shift?.length ?? 1);
      const values = [scale ?? [1], shift ?? [0]].map((list) => channelValues(list, width, source.device));
      return run([source, index, ...values, offset], { dtype });
    },
  grad: 'none',
  onnx: 'none',
});

function channelValues(values: readonly number[], width: number, device: Device): Tensor {
  const list = values.length === 1 ? new Array<number>(width).fill(values[0] as number) : values;
  return tensor(Float64Array.from(list), { device });
}
