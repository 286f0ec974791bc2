// Checks of arguments that a function reads before an op does.
import { describeValue, TilegradError } from '../error.ts';
import { type Shape, Tensor, tensor } from '../tensor.ts';

/** Throws ERR_ARGUMENT unless `value` is a tensor. */
export function expectTensor(op: string, name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new TilegradError('ERR_ARGUMENT', `${op}: ${name} must be a tensor but is ${describeValue(value)}`);
}

/** One whole number or several as a list. Throws ERR_ARGUMENT for anything else. */
export function wholeNumbers(op: string, name: string, value: number | readonly number[]): readonly number[] {
  const list = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(list) || !list.every(Number.isSafeInteger))
    throw new TilegradError('ERR_ARGUMENT', `${op}: ${name} must be whole numbers but is ${describeValue(value)}`);
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

/** Throws ERR_ARGUMENT unless `value` is a list of tensors. */
export function expectTensors(op: string, value: unknown): asserts value is readonly Tensor[] {
  if (!Array.isArray(value))
    throw new TilegradError('ERR_ARGUMENT', `${op}: expects a list of tensors but got ${describeValue(value)}`);
  value.forEach((tensor, i) => void expectTensor(op, `tensor ${i}`, tensor));
}

/** Throws ERR_ARGUMENT unless `shape` is a list: `zeros(2, 3)` is meant as `zeros([2, 3])`. */
export function expectShape(op: string, shape: unknown): asserts shape is Shape {
  if (!Array.isArray(shape))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${op}: the shape must be a list such as [2, 3] but is ${describeValue(shape)}`,
    );
}

/** A number as a tensor on the device of x; what is none as it is. @internal */
export function besides<P>(x: Tensor, value: P, dtype: 'f32' | 'i32'): Tensor | Exclude<P, number> {
  return typeof value === 'number' ? tensor(value, { dtype, device: x.device }) : (value as Exclude<P, number>);
}
