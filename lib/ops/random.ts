// Tensors of random numbers. Every call takes its numbers from a generator: the same seed gives the same bits on every
// device, at any thread count.
import { type Device, type DeviceName, placeOf } from '../device.ts';
import type { DType } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp } from '../op.ts';
import { defaultGenerator, Generator, type Reserved } from '../random.ts';
import { type Shape, Tensor, type TensorOptions, tensorOptions } from '../tensor.ts';
import type { Known } from '../typed_shapes.ts';
import { expectShape } from './arguments.ts';

/** Options of the functions that draw random numbers. */
export interface RandomOptions extends TensorOptions {
  /** Where the numbers come from. Default: the generator that {@link manualSeed} seeds. */
  generator?: Generator | undefined;
}

/** Numbers for `numel` elements of `words` 32-bit words each. @internal */
export function reserve(user: string, generator: Generator | undefined, numel: number, words: number): Reserved {
  const source = generator ?? defaultGenerator;
  if (!(source instanceof Generator))
    throw new TilegradError('ERR_ARGUMENT', `${user}: generator must be a Generator but is ${typeof source}`);
  // A shape that is no shape is refused by the op itself, in its own words.
  return source.reserve(Number.isSafeInteger(numel) && numel > 0 ? numel * words : 0);
}

const count = (shape: Shape): number => (Array.isArray(shape) ? shape.reduce((n: number, d: number) => n * d, 1) : 0);
const wordsOf = (dtype: DType): number => (dtype === 'f64' ? 2 : 1);

const optionNames = ['generator', ...tensorOptions];

function placed(made: Tensor, options: TensorOptions): Tensor {
  if (options.requiresGrad) made.requiresGrad = true;
  return made;
}

/**
 * Numbers drawn evenly from [low, high), of `shape`; f32 on the default device. f16 and bf16 numbers lie on a grid of
 * 2^-11 and 2^-8 of the range. Throws ERR_ARGUMENT unless low <= high. As torch.empty(shape).uniform_(low, high).
 */
export const uniform = defineOp('uniform', {
  call:
    (run) =>
    <const S extends Shape>(shape: S, low = 0, high = 1, options: RandomOptions = {}): Tensor<Known<S>> => {
      checkOptions('uniform', options, optionNames);
      const dtype = options.dtype ?? 'f32';
      const reserved = reserve('uniform', options.generator, count(shape), wordsOf(dtype));
      return placed(run([], { shape, low, high, dtype, ...reserved }, placeOf(options.device)), options);
    },
  grad: 'none',
  onnx: 'none',
});

/**
 * Normally distributed numbers of `shape`; f32 on the default device. Throws ERR_ARGUMENT for a negative `std`. As
 * torch.normal(mean, std, shape), by the method of Box and Muller.
 */
export const normal = defineOp('normal', {
  call:
    (run) =>
    <const S extends Shape>(shape: S, mean = 0, std = 1, options: RandomOptions = {}): Tensor<Known<S>> => {
      checkOptions('normal', options, optionNames);
      const dtype = options.dtype ?? 'f32';
      const reserved = reserve('normal', options.generator, count(shape), wordsOf(dtype));
      return placed(run([], { shape, mean, std, dtype, ...reserved }, placeOf(options.device)), options);
    },
  grad: 'none',
  onnx: 'none',
});

/** As {@link bernoulli}: chances as a tensor, or one chance and a shape. */
export interface Bernoulli {
  (p: Tensor, options?: { generator?: Generator | undefined }): Tensor;
  (p: number, shape: Shape, options?: RandomOptions): Tensor;
}

/**
 * 1 with chance `p`, else 0. `p` is a tensor of chances, whose shape, dtype and device the result takes, or a number
 * followed by a shape (any dtype, f32 by default). No gradient flows. Throws ERR_ARGUMENT for a number outside [0, 1];
 * for an element outside it the CPU reports ERR_ARGUMENT at the next await. As torch.bernoulli.
 */
export const bernoulli: Bernoulli = defineOp('bernoulli', {
  call:
    (run) =>
    (p: Tensor | number, second?: Shape | { generator?: Generator | undefined }, third: RandomOptions = {}): Tensor => {
      if (p instanceof Tensor) {
        const options = (second ?? {}) as RandomOptions;
        checkOptions('bernoulli', options, ['generator']);
        const { generator } = options;
        return run([p], { shape: [], p: 0, dtype: 'f32', ...reserve('bernoulli', generator, p.numel, 1) });
      }
      checkOptions('bernoulli', third, optionNames);
      const shape = second as Shape;
      const reserved = reserve('bernoulli', third.generator, count(shape), 1);
      const attrs = { shape, p, dtype: third.dtype ?? 'f32', ...reserved };
      return placed(run([], attrs, placeOf(third.device)), third);
    },
  grad: 'none',
  onnx: 'none',
});

/**
 * Whole numbers from `low` to `high` - 1 of `shape`; i64 on the CPU by default. Throws ERR_ARGUMENT unless low < high
 * and both fit the dtype. As torch.randint; no number's chance is off by more than 2^-16 of it.
 */
export const randint = defineOp('randint', {
  call:
    (run) =>
    (low: number, high: number, shape: Shape, options: RandomOptions = {}): Tensor => {
      checkOptions('randint', options, optionNames);
      const reserved = reserve('randint', options.generator, count(shape), 2);
      const attrs = { shape, low, high, dtype: options.dtype ?? 'i64', ...reserved };
      return placed(run([], attrs, placeOf(options.device)), options);
    },
  grad: 'none',
  onnx: 'none',
});

/** The numbers 0 to n - 1 in random order, i64 (n) or i32 on the CPU by default; n below 2^31. As torch.randperm. */
export const randperm = defineOp('randperm', {
  call:
    (run) =>
    (n: number, options: Omit<RandomOptions, 'requiresGrad'> = {}): Tensor => {
      checkOptions('randperm', options, ['dtype', 'device', 'generator']);
      const reserved = reserve('randperm', options.generator, n, 2);
      return run([], { n, dtype: options.dtype ?? 'i64', ...reserved }, placeOf(options.device));
    },
  grad: 'none',
  onnx: 'none',
});

/** Numbers drawn evenly from [0, 1), of `shape`; f32 on the default device. As torch.rand. */
export function rand<const S extends Shape>(shape: S, options?: RandomOptions): Tensor<Known<S>> {
  expectShape('rand', shape);
  return uniform(shape, 0, 1, options);
}

/** Numbers of the standard normal distribution, of `shape`; f32 on the default device. As torch.randn. */
export function randn<const S extends Shape>(shape: S, options?: RandomOptions): Tensor<Known<S>> {
  expectShape('randn', shape);
  return normal(shape, 0, 1, options);
}

function like(x: Tensor, options?: RandomOptions): RandomOptions & { dtype: DType; device: Device | DeviceName } {
  return { ...options, dtype: options?.dtype ?? x.dtype, device: options?.device ?? x.device };
}

/** {@link rand} with the shape, dtype and device of `x`. As torch.rand_like. */
export function randLike<S extends Shape>(x: Tensor<S>, options?: RandomOptions): Tensor<S> {
  return rand(x.shape, like(x, options));
}

/** {@link randn} with the shape, dtype and device of `x`. As torch.randn_like. */
export function randnLike<S extends Shape>(x: Tensor<S>, options?: RandomOptions): Tensor<S> {
  return randn(x.shape, like(x, options));
}

/** {@link randint} with the shape, dtype and device of `x`. As torch.randint_like. */
export function randintLike(x: Tensor, low: number, high: number, options?: RandomOptions): Tensor {
  return randint(low, high, x.shape, like(x, options));
}
