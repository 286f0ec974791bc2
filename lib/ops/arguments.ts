// Checks of arguments that a function reads before an op does.
import { TilegradError } from '../error.ts';
import { Tensor } from '../tensor.ts';

function described(value: unknown): string {
  if (value instanceof Tensor) return `a tensor of shape [${value.shape.join(', ')}]`;
  if (Array.isArray(value)) return `[${value.map(String).join(', ')}]`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Throws ERR_ARGUMENT unless `value` is a tensor. */
export function expectTensor(op: string, name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new TilegradError('ERR_ARGUMENT', `${op}: ${name} must be a tensor but is ${described(value)}`);
}

/** One whole number or several as a list. Throws ERR_ARGUMENT for anything else. */
export function wholeNumbers(op: string, name: string, value: number | readonly number[]): readonly number[] {
  const list = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(list) || !list.every(Number.isSafeInteger))
    throw new TilegradError('ERR_ARGUMENT', `${op}: ${name} must be whole numbers but is ${described(value)}`);
  return list;
}

/** Resolves a possibly negative dimension; throws ERR_ARGUMENT when it is out of range. A scalar counts as rank 1. */
export function resolveDim(op: string, dim: number, rank: number): number {
  const span = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -span || dim >= span)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${op}: dimension ${dim} is out of range for a tensor with ${rank} dimensions`,
    );
  return dim < 0 ? dim + span : dim;
}

/** Optional inputs at the end that are absent are left out. @internal */
export function withOptional(inputs: Tensor[], rest: readonly (Tensor | null)[]): (Tensor | null)[] {
  const last = rest.findLastIndex((input) => input !== null);
  return [...inputs, ...rest.slice(0, last + 1)];
}
