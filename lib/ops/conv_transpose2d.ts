// Transposed convolution: the gradient of conv2d for its input, read as a function of its own.
import { checkOptions, TilegradError } from '../error.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { conv2dInputGrad, isWinogradEnabled } from './conv2d.ts';
import { add } from './elementwise.ts';
import { reshape } from './views.ts';

type Pair = number | readonly [number, number];

/** Options of `convTranspose2d`. */
export interface ConvTranspose2dOptions {
  /** Default: 1. */
  readonly stride?: Pair | undefined;
  /** Rows and columns that are taken off each side of the result. Default: 0. */
  readonly padding?: Pair | undefined;
  /** Rows and columns that are added at the end, fewer than stride or dilation. Default: 0. */
  readonly outputPadding?: Pair | undefined;
  /** Distance between the taps of the kernel. Default: 1. */
  readonly dilation?: Pair | undefined;
  /** Channels are split into this many independent convolutions. Default: 1. */
  readonly groups?: number | undefined;
  /** (K), or none. */
  readonly bias?: Tensor | null | undefined;
}

const optionNames = ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias'];
const pair = (value: Pair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);
const dims = (x: Tensor): string => `[${x.shape.join(', ')}]`;

/**
 * Spreads images `x` (N, C, H, W) by the kernels `weight` (C, K / groups, R, S), adds `bias` (K) if given, and gives
 * (N, K, P, Q) with P = (H - 1) stride - 2 padding + dilation (R - 1) + outputPadding + 1. Throws ERR_SHAPE when channels do
 * not fit or nothing is left, ERR_ARGUMENT for options out of range. As torch.nn.functional.conv_transpose2d.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  const user = 'conv_transpose2d';
  checkOptions('convTranspose2d', options, optionNames);
  expectTensor(user, 'input', x);
  expectTensor(user, 'weight', weight);
  const { groups = 1, bias = null } = options;
  const [stride, padding] = [pair(options.stride ?? 1), pair(options.padding ?? 0)];
  const [dilation, extra] = [pair(options.dilation ?? 1), pair(options.outputPadding ?? 0)];
  if (x.rank !== 4 || weight.rank !== 4)
    throw new TilegradError('ERR_SHAPE', `${user}: expects 4 dimensions (input ${dims(x)}, weight ${dims(weight)})`);
  if (x.shape[1] !== weight.shape[0])
    throw new TilegradError(
      'ERR_SHAPE',
      `${user}: weight expects ${weight.shape[0]} input channels but input has ${x.shape[1]} (input ${dims(x)}, weight ${dims(weight)})`,
    );
  const channels = (weight.shape[1] as number) * groups;
  if (bias && (bias.rank !== 1 || bias.shape[0] !== channels))
    throw new TilegradError('ERR_SHAPE', `${user}: bias must be [${channels}] but is ${dims(bias)}`);
  const size = [0, 1].map((i) => {
    const [step, pad, gap, added] = [stride[i], padding[i], dilation[i], extra[i]] as [number, number, number, number];
    if (!(added === 0 || (Number.isInteger(added) && added > 0 && added < Math.max(step, gap))))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${user}: outputPadding ${added} must be smaller than stride ${step} or dilation ${gap}`,
      );
    const [input, kernel] = [x.shape[2 + i] as number, weight.shape[2 + i] as number];
    const length = (input - 1) * step - 2 * pad + gap * (kernel - 1) + added + 1;
    if (length < 1)
      throw new TilegradError('ERR_SHAPE', `${user}: nothing is left of input ${dims(x)} with padding ${pad}`);
    return length;
  });
  const [top, left] = padding;
  const winograd = isWinogradEnabled();
  const attrs = { stride, dilation, groups, padding: [top, top, left, left], winograd };
  const y = conv2dInputGrad(x, weight, [x.shape[0] as number, channels, ...size], attrs);
  return bias ? add(y, reshape(bias, [channels, 1, 1])) : y;
}
