// Convolutional layers.
import { checkOptions, TilegradError } from '../error.ts';
import { conv2dPadding } from '../ops/conv2d.ts';
import { type Conv2dOptions, conv2d, type PadMode, pad } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { initialiseLayer } from './layer_init.ts';
import { checkSize } from './linear.ts';
import type { ChannelFlow } from './flow.ts';
import { Module } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Options of `Conv2d`. */
export interface Conv2dLayerOptions extends Conv2dOptions, PlaceOptions {
  /** Whether a bias is added. Default: true. */
  readonly bias?: boolean | undefined;
  /** What the padding shows: zeros, the image mirrored, its edge, or its other end. Default: 'zeros'. */
  readonly paddingMode?: 'zeros' | Exclude<PadMode, 'constant'> | undefined;
}

/** Throws ERR_ARGUMENT unless the groups divide the channels. @internal */
export function checkChannels(user: string, inChannels: number, outChannels: number, groups: number): void {
  checkSize(user, 'inChannels', inChannels);
  checkSize(user, 'outChannels', outChannels);
  checkSize(user, 'groups', groups);
  if (inChannels % groups !== 0 || outChannels % groups !== 0)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${user}: groups ${groups} does not divide inChannels ${inChannels} and outChannels ${outChannels}`,
    );
}

/** One number for both dimensions, or one for each. @internal */
export function pairOf(user: string, name: string, value: number | readonly [number, number], least: number) {
  const both = typeof value === 'number' ? ([value, value] as const) : value;
  if (!Array.isArray(both) || both.length !== 2)
    throw new TilegradError('ERR_ARGUMENT', `${user}: ${name} must be a number or a pair but is ${String(value)}`);
  for (const size of both) checkSize(user, name, size, least);
  return [both[0], both[1]] as const;
}

/** What says how the images of a convolution are padded. @internal */
export type ConvPadding = Pick<Conv2d, 'stride' | 'padding' | 'dilation' | 'kernelSize' | 'paddingMode'>;

/** Images with the padding that shows anything but zeros around them, and the padding that is left to do. @internal */
export function padImages(x: Tensor, conv: ConvPadding): [x: Tensor, padding: Conv2d['padding']] {
  const { paddingMode, padding } = conv;
  if (paddingMode === 'zeros') return [x, padding];
  const [top, bottom, left, right] = conv2dPadding(conv, conv.kernelSize);
  return [pad(x, [left, right, top, bottom] as number[], { mode: paddingMode }), 0];
}

/**
 * Slides `outChannels` kernels of `kernelSize` over images (N, inChannels, H, W) and gives (N, outChannels, P, Q). Weight
 * (outChannels, inChannels / groups, R, S) and bias begin uniform within 1 / sqrt(inChannels / groups * R * S).
 * As torch.nn.Conv2d.
 */
export class Conv2d<In extends number = number, Out extends number = number> extends Module {
  declare readonly _flow: ChannelFlow<In, Out>;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: NonNullable<Conv2dOptions['padding']>;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly paddingMode: NonNullable<Conv2dLayerOptions['paddingMode']>;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    inChannels: In,
    outChannels: Out,
    kernelSize: number | readonly [number, number],
    options: Conv2dLayerOptions = {},
  ) {
    super();
    checkOptions('Conv2d', options, [
      'stride',
      'padding',
      'dilation',
      'groups',
      'bias',
      'paddingMode',
      ...placeOptions,
    ]);
    const { groups = 1, padding = 0, paddingMode = 'zeros' } = options;
    checkChannels('Conv2d', inChannels, outChannels, groups);
    if (!['zeros', 'reflect', 'replicate', 'circular'].includes(paddingMode))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `Conv2d: paddingMode must be 'zeros', 'reflect', 'replicate' or 'circular' but is '${paddingMode}'`,
      );
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pairOf('Conv2d', 'kernelSize', kernelSize, 1);
    this.stride = pairOf('Conv2d', 'stride', options.stride ?? 1, 1);
    this.padding = typeof padding === 'number' ? pairOf('Conv2d', 'padding', padding, 0) : padding;
    this.dilation = pairOf('Conv2d', 'dilation', options.dilation ?? 1, 1);
    this.groups = groups;
    this.paddingMode = paddingMode;
    this.weight = zeroParameter([outChannels, inChannels / groups, ...this.kernelSize], options);
    this.bias = (options.bias ?? true) ? zeroParameter([outChannels], options) : null;
    this.resetParameters();
  }

  /** Draws new initial values. */
  resetParameters(): void {
    initialiseLayer(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    const { bias, stride, dilation, groups } = this;
    const [padded, padding] = padImages(x, this);
    return conv2d(padded, this.weight, { bias, stride, padding, dilation, groups });
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups } = this;
    const pads = typeof padding === 'string' ? padding : `[${[padding].flat().join(', ')}]`;
    const settings = [
      `${inChannels}, ${outChannels}, kernelSize=[${kernelSize.join(', ')}], stride=[${stride.join(', ')}]`,
    ];
    if (pads !== '[0, 0]') settings.push(`padding=${pads}`);
    if (dilation.join() !== '1,1') settings.push(`dilation=[${dilation.join(', ')}]`);
    if (groups !== 1) settings.push(`groups=${groups}`);
    if (this.bias === null) settings.push('bias=false');
    if (this.paddingMode !== 'zeros') settings.push(`paddingMode=${this.paddingMode}`);
    return settings.join(', ');
  }
}
