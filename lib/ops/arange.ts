// Numbers at equal distances, and the identity matrix.
import { placeOf } from '../device.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp } from '../op.ts';
import { type Tensor, type TensorOptions, tensorOptions } from '../tensor.ts';
import { ones } from './full.ts';
import { tril, triu } from './triangle.ts';

function placed(made: Tensor, options: TensorOptions): Tensor {
  if (options.requiresGrad) made.requiresGrad = true;
  return made;
}

const progression = defineOp('arange', {
  call: (run) => (start: number, step: number, count: number, options: TensorOptions) =>
    placed(run([], { start, step, count, dtype: options.dtype ?? 'f32' }, placeOf(options.device)), options),
  grad: 'none',
  onnx: (graph, { attrs, outputMeta }) => {
    const { start, step, count } = attrs as Record<'start' | 'step' | 'count', number>;
    const scalar = (value: number) => graph.constant([value], outputMeta[0]?.dtype ?? 'f32', []);
    return graph.node('Range', [scalar(start), scalar(start + (count - 0.5) * step), scalar(step)]);
  },
});

/**
 * The numbers start, start + step, ... before `end`: `arange(end)`, `arange(start, end)` or
 * `arange(start, end, step)`, each with options behind. The dtype is i64 if all three are whole numbers, else f32.
 * Throws ERR_ARGUMENT for a step of 0 or one that leads away from `end`. As torch.arange.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const numbers = args.filter((arg) => typeof arg === 'number');
  const options = (args.find((arg) => typeof arg === 'object' && arg !== null) ?? {}) as TensorOptions;
  checkOptions('arange', options, tensorOptions);
  const [start, end, step] = (
    numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1]
  ) as [number, number, number];
  const count = Math.ceil((end - start) / step);
  if (step === 0 || !Number.isSafeInteger(count) || count < 0)
    throw new TilegradError('ERR_ARGUMENT', `arange: no steps of ${step} lead from ${start} to ${end}`);
  const dtype = options.dtype ?? ([start, end, step].every(Number.isSafeInteger) ? 'i64' : 'f32');
  return progression(start, step, count, { ...options, dtype });
}

/**
 * `count` numbers at equal distances from `start` to `end`, both among them; dtype f32 on the default device. Throws
 * ERR_ARGUMENT for a negative count. As torch.linspace.
 */
export const linspace = defineOp('linspace', {
  call:
    (run) =>
    (start: number, end: number, count: number, options: TensorOptions = {}): Tensor => {
      checkOptions('linspace', options, tensorOptions);
      return placed(run([], { start, end, count, dtype: options.dtype ?? 'f32' }, placeOf(options.device)), options);
    },
  grad: 'none',
  onnx: 'none',
});

/** The n x m matrix (m = n by default) with ones on its diagonal and zeros elsewhere. As torch.eye. */
export function eye(n: number, m: number = n, options: TensorOptions = {}): Tensor {
  const { requiresGrad, ...rest } = options;
  return placed(triu(tril(ones([n, m], rest))), { requiresGrad });
}
