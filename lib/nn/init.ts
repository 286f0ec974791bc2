// Initial values of parameters, by PyTorch's formulas. Each function fills its tensor in place and returns it.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { assign, full, normal, type RandomOptions, uniform } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import { type Shape, type Tensor, tensor as makeTensor } from '../tensor.ts';

/** Fills `tensor` with what `make` computes. */
function fill<T extends Tensor>(tensor: T, make: () => Tensor): T {
  noGrad(() => tidy(() => void assign(tensor, make())));
  return tensor;
}

/** Fills with one value. As torch.nn.init.constant_. */
export function constant_<T extends Tensor>(tensor: T, value: number): T {
  return fill(tensor, () => full(tensor.shape, value, { dtype: tensor.dtype, device: tensor.device }));
}

/** Fills with zeros. */
export function zeros_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 0);
}

/** Fills with ones. */
export function ones_<T extends Tensor>(tensor: T): T {
  return constant_(tensor, 1);
}

/** Where the numbers come from; default: the generator that `manualSeed` seeds. */
export type InitOptions = Pick<RandomOptions, 'generator'>;

/** Fills uniformly from [low, high), default [0, 1). As torch.nn.init.uniform_. */
export function uniform_<T extends Tensor>(tensor: T, low = 0, high = 1, options: InitOptions = {}): T {
  const { shape, dtype, device } = tensor;
  checkOptions('uniform_', options, ['generator']);
  const { generator } = options;
  return fill(tensor, () => uniform(shape, low, high, { dtype, device, generator }));
}

/** Fills with normally distributed numbers. As torch.nn.init.normal_. */
export function normal_<T extends Tensor>(tensor: T, mean = 0, std = 1, options: InitOptions = {}): T {
  const { shape, dtype, device } = tensor;
  checkOptions('normal_', options, ['generator']);
  const { generator } = options;
  return fill(tensor, () => normal(shape, mean, std, { dtype, device, generator }));
}

/** Fills with the identity matrix: ones where row and column are equal. As torch.nn.init.eye_. */
export function eye_<T extends Tensor>(tensor: T): T {
  const [rows, columns] = tensor.shape;
  if (rows === undefined || columns === undefined || tensor.rank !== 2)
    throw new TilegradError('ERR_SHAPE', `eye_: needs a matrix but the shape is [${tensor.shape.join(', ')}]`);
  return fillFrom(tensor, (i) => (Math.floor(i / columns) === i % columns ? 1 : 0));
}

/**
 * Makes convolutions pass their channels on: ones in the middle of the kernels that lead from a channel to itself, in each of
 * `groups` (1). As torch.nn.init.dirac_.
 */
export function dirac_<T extends Tensor>(tensor: T, groups = 1): T {
  const [out, input, ...kernel] = tensor.shape;
  if (out === undefined || input === undefined || kernel.length === 0 || out % groups !== 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `dirac_: needs kernels (out, in, ...) with out divisible by ${groups} but the shape is [${tensor.shape.join(', ')}]`,
    );
  const field = kernel.reduce((n, size) => n * size, 1);
  const middle = kernel.reduce((at, size) => at * size + Math.floor(size / 2), 0);
  return fillFrom(tensor, (i) => {
    const [unit, channel] = [Math.floor(i / (input * field)), Math.floor(i / field) % input];
    return i % field === middle && unit % (out / groups) === channel ? 1 : 0;
  });
}

/** Fills with a function of the position in row-major order. */
function fillFrom<T extends Tensor>(tensor: T, value: (i: number) => number): T {
  const { shape, dtype, device } = tensor;
  const values = Float64Array.from({ length: tensor.numel }, (_, i) => value(i));
  return fill(tensor, () => makeTensor(values, { shape, dtype, device }));
}

/** The functions that {@link calculateGain} knows. */
export type Nonlinearity =
  | 'linear'
  | 'conv1d'
  | 'conv2d'
  | 'conv3d'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leakyRelu'
  | 'selu';

/**
 * By how much weights before that function grow, so that the variance stays: 1, 5/3 for tanh, sqrt(2) for relu,
 * sqrt(2 / (1 + slope^2)) for leakyRelu (slope 0.01 by default), 3/4 for selu. As torch.nn.init.calculate_gain.
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case 'linear':
    case 'conv1d':
    case 'conv2d':
    case 'conv3d':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.sqrt(2);
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + slope ** 2));
    case 'selu':
      return 3 / 4;
    default:
      throw new TilegradError('ERR_ARGUMENT', `calculateGain: unknown nonlinearity '${String(nonlinearity)}'`);
  }
}

/** Numbers of inputs and outputs of one unit of a weight (out, in, ...kernel). */
export function fanInAndFanOut(shape: Shape): { fanIn: number; fanOut: number } {
  const [out, input, ...kernel] = shape;
  if (out === undefined || input === undefined)
    throw new TilegradError(
      'ERR_SHAPE',
      `init: fans need at least 2 dimensions but the shape is [${shape.join(', ')}]`,
    );
  const field = kernel.reduce((n, size) => n * size, 1);
  return { fanIn: input * field, fanOut: out * field };
}

/** Options of `kaimingUniform_` and `kaimingNormal_`. */
export interface KaimingOptions extends InitOptions {
  /** The slope of leakyRelu below 0. Default: 0. */
  readonly a?: number | undefined;
  /** Whose variance is preserved: that of the forward ('fanIn', the default) or of the backward pass ('fanOut'). */
  readonly mode?: 'fanIn' | 'fanOut' | undefined;
  /** Default: 'leakyRelu'. */
  readonly nonlinearity?: Nonlinearity | undefined;
}

function kaimingDeviation(user: string, tensor: Tensor, options: KaimingOptions): number {
  checkOptions(user, options, ['a', 'mode', 'nonlinearity', 'generator']);
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options;
  if (mode !== 'fanIn' && mode !== 'fanOut')
    throw new TilegradError('ERR_ARGUMENT', `${user}: mode must be 'fanIn' or 'fanOut' but is '${String(mode)}'`);
  return calculateGain(nonlinearity, a) / Math.sqrt(fanInAndFanOut(tensor.shape)[mode]);
}

/** Uniform with variance gain^2 / fan (He et al. 2015). As torch.nn.init.kaiming_uniform_. */
export function kaimingUniform_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  const bound = Math.sqrt(3) * kaimingDeviation('kaimingUniform_', tensor, options);
  return uniform_(tensor, -bound, bound, { generator: options.generator });
}

/** Normal with variance gain^2 / fan (He et al. 2015). As torch.nn.init.kaiming_normal_. */
export function kaimingNormal_<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  const std = kaimingDeviation('kaimingNormal_', tensor, options);
  return normal_(tensor, 0, std, { generator: options.generator });
}

function xavierDeviation(tensor: Tensor, gain: number): number {
  const { fanIn, fanOut } = fanInAndFanOut(tensor.shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform with variance 2 gain^2 / (fanIn + fanOut) (Glorot and Bengio 2010). As torch.nn.init.xavier_uniform_. */
export function xavierUniform_<T extends Tensor>(tensor: T, gain = 1, options: InitOptions = {}): T {
  checkOptions('xavierUniform_', options, ['generator']);
  const { generator } = options;
  const bound = Math.sqrt(3) * xavierDeviation(tensor, gain);
  return uniform_(tensor, -bound, bound, { generator });
}

/** Normal with variance 2 gain^2 / (fanIn + fanOut) (Glorot and Bengio 2010). As torch.nn.init.xavier_normal_. */
export function xavierNormal_<T extends Tensor>(tensor: T, gain = 1, options: InitOptions = {}): T {
  checkOptions('xavierNormal_', options, ['generator']);
  const { generator } = options;
  return normal_(tensor, 0, xavierDeviation(tensor, gain), { generator });
}

export { orthogonal_, truncNormal_ } from './orthogonal.ts';
