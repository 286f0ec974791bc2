// Samples to batches, and batches as trees of tensors: records, arrays and single tensors.
import type { Device } from '../device.ts';
import { TilegradError } from '../error.ts';
import { stack } from '../ops/index.ts';
import { Tensor, tensor } from '../tensor.ts';

/**
 * Stacks samples of one form along a new first dimension: tensors become a tensor, whole numbers i64, other numbers f32,
 * booleans bool, records and arrays what their members become, anything else a list. As default_collate of PyTorch,
 * with f32 where Python's numbers become f64.
 */
export function collate(samples: readonly unknown[]): unknown {
  const [first] = samples;
  if (first instanceof Tensor) return stack(samples as Tensor[]);
  if (typeof first === 'number') {
    const numbers = samples as number[];
    return numbers.every(Number.isSafeInteger) ? tensor(numbers, { dtype: 'i64' }) : tensor(numbers);
  }
  if (typeof first === 'bigint' || typeof first === 'boolean') return tensor(samples as (bigint | boolean)[]);
  if (Array.isArray(first)) return first.map((_, i) => collate(samples.map((sample) => (sample as unknown[])[i])));
  if (isRecord(first)) {
    const columns = Object.keys(first).map((key) => {
      const column = samples.map((sample, i) => {
        if (isRecord(sample) && key in sample) return sample[key];
        throw new TilegradError('ERR_ARGUMENT', `collate: sample ${i} of the batch has no ${key}, sample 0 has`);
      });
      return [key, collate(column)];
    });
    return Object.fromEntries(columns);
  }
  return [...samples];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** All tensors of a batch. */
export function tensorsOf(batch: unknown): Tensor[] {
  if (batch instanceof Tensor) return [batch];
  if (Array.isArray(batch)) return batch.flatMap(tensorsOf);
  return isRecord(batch) ? Object.values(batch).flatMap(tensorsOf) : [];
}

/** The batch with copies on `device` of those tensors that are elsewhere. */
export function moveTensors<Batch>(batch: Batch, device: Device): Batch {
  const move = (value: unknown): unknown => {
    if (value instanceof Tensor) return value.device === device ? value : value.to(device);
    if (Array.isArray(value)) return value.map(move);
    if (!isRecord(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, move(member)]));
  };
  return move(batch) as Batch;
}
