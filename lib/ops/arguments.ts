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
