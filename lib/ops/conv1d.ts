// Convolution over sequences: images of one row.
import { checkOptions, TilegradError } from '../error.ts';
import { expectTensor } from './arguments.ts';
import { conv2d } from './conv2d.ts';
import { convTranspose2d } from './conv_transpose2d.ts';
import { reshape } from './views.ts';
import type { Tensor } from '../tensor.ts';

/** Options of `conv1d`. */
export interface Conv1dOptions {
  /** Default: 1. */
  readonly stride?: number | undefined;
  /** Zeros at both ends; 'valid' for none, 'same' for a result of the input's length. Default: 0. */
  readonly padding?: number | 'same' | 'valid' | undefined;
  /** Distance between the taps of the kernel. Default: 1. */
  readonly dilation?: number | undefined;
  /** Channels are split into this many independent convolutions. Default: 1. */
  readonly groups?: number | undefined;
  /** (K), or none. */
  readonly bias?: Tensor | null | undefined;
}

/** (..., L) as (..., 1, L). */
function asRow(op: string, name: string, x: Tensor): Tensor {
  expectTensor(op, name, x);
  if (x.rank !== 3)
    throw new TilegradError('ERR_SHAPE', `${op}: ${name} must have 3 dimensions but has shape [${x.shape.join(', ')}]`);
  return reshape(x, [...x.shape.slice(0, -1), 1, x.shape.at(-1) as number]);
}

const withoutRow = (y: Tensor): Tensor => reshape(y, [...y.shape.slice(0, -2), y.shape.at(-1) as number]);

/**
 * Slides the kernels `weight` (K, C / groups, R) over sequences `x` (N, C, L), adds `bias` (K) if given, and gives
 * (N, K, P). Errors as of {@link conv2d}. As torch.nn.functional.conv1d.
 */
export function conv1d(x: Tensor, weight: Tensor, options: Conv1dOptions = {}): Tensor {
  checkOptions('conv1d', options, ['stride', 'padding', 'dilation', 'groups', 'bias']);
  const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = null } = options;
  const settings = {
    stride: [1, stride] as const,
    padding: typeof padding === 'number' ? ([0, padding] as const) : padding,
    dilation: [1, dilation] as const,
  };
  return withoutRow(
    conv2d(asRow('conv1d', 'input', x), asRow('conv1d', 'weight', weight), {
      ...settings,
      // 'same' asks for stride 1, also of the row.
      stride: padding === 'same' ? stride : settings.stride,
      groups,
      bias,
    }),
  );
}

/** Options of `convTranspose1d`. */
export interface ConvTranspose1dOptions extends Omit<Conv1dOptions, 'padding'> {
  /** Places that are taken off each end of the result. Default: 0. */
  readonly padding?: number | undefined;
  /** Places that are added at the end, fewer than stride or dilation. Default: 0. */
  readonly outputPadding?: number | undefined;
}

/** {@link convTranspose2d} over sequences (N, C, L) with weight (C, K / groups, R). As torch.nn.functional.conv_transpose1d. */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTranspose1dOptions = {}): Tensor {
  checkOptions('convTranspose1d', options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias']);
  const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups, bias } = options;
  return withoutRow(
    convTranspose2d(asRow('conv_transpose1d', 'input', x), asRow('conv_transpose1d', 'weight', weight), {
      stride: [1, stride],
      padding: [0, padding],
      outputPadding: [0, outputPadding],
      dilation: [1, dilation],
      groups,
      bias,
    }),
  );
}
