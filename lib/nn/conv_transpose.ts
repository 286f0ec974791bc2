// Convolutional layers over sequences, and transposed ones.
import { checkOptions } from '../error.ts';
import { type Conv1dOptions, type ConvTranspose2dOptions, conv1d, convTranspose2d } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { checkChannels, pairOf } from './conv.ts';
import { initialiseLayer } from './layer_init.ts';
import { checkSize } from './linear.ts';
import type { ChannelFlow } from './flow.ts';
import { Module } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Settings that were given, as they were given. */
const shown = (options: object): string =>
  Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `, ${name}=${Array.isArray(value) ? `[${value.join(', ')}]` : value}`)
    .join('');

/** Options of `Conv1d`. */
export interface Conv1dLayerOptions extends Omit<Conv1dOptions, 'bias'>, PlaceOptions {
  /** Whether a bias is added. Default: true. */
  readonly bias?: boolean | undefined;
}

/**
 * Slides `outChannels` kernels of length `kernelSize` over sequences (N, inChannels, L) and gives (N, outChannels, P).
 * Initial values as of Conv2d. As torch.nn.Conv1d.
 */
export class Conv1d<In extends number = number, Out extends number = number> extends Module {
  declare readonly _flow: ChannelFlow<In, Out>;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number;
  readonly options: Omit<Conv1dOptions, 'bias'>;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(inChannels: In, outChannels: Out, kernelSize: number, options: Conv1dLayerOptions = {}) {
    super();
    checkOptions('Conv1d', options, ['stride', 'padding', 'dilation', 'groups', 'bias', ...placeOptions]);
    const { stride, padding, dilation, groups = 1, bias = true } = options;
    checkChannels('Conv1d', inChannels, outChannels, groups);
    checkSize('Conv1d', 'kernelSize', kernelSize);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = kernelSize;
    this.options = { stride, padding, dilation, groups };
    this.weight = zeroParameter([outChannels, inChannels / groups, kernelSize], options);
    this.bias = bias ? zeroParameter([outChannels], options) : null;
    this.resetParameters();
  }

  /** Draws new initial values. */
  resetParameters(): void {
    initialiseLayer(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { ...this.options, bias: this.bias });
  }

  override extraRepr(): string {
    const bias = this.bias === null ? ', bias=false' : '';
    return `${this.inChannels}, ${this.outChannels}, kernelSize=${this.kernelSize}${shown(this.options)}${bias}`;
  }
}

/** Options of `ConvTranspose2d`. */
export interface ConvTranspose2dLayerOptions extends Omit<ConvTranspose2dOptions, 'bias'>, PlaceOptions {
  /** Whether a bias is added. Default: true. */
  readonly bias?: boolean | undefined;
}

/**
 * Spreads images (N, inChannels, H, W) by kernels of `kernelSize` and gives (N, outChannels, P, Q), as `convTranspose2d`
 * says. Weight (inChannels, outChannels / groups, R, S). As torch.nn.ConvTranspose2d.
 */
export class ConvTranspose2d<In extends number = number, Out extends number = number> extends Module {
  declare readonly _flow: ChannelFlow<In, Out>;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly options: Omit<ConvTranspose2dOptions, 'bias'>;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    inChannels: In,
    outChannels: Out,
    kernelSize: number | readonly [number, number],
    options: ConvTranspose2dLayerOptions = {},
  ) {
    super();
    checkOptions('ConvTranspose2d', options, [
      ...['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias'],
      ...placeOptions,
    ]);
    const { stride, padding, outputPadding, dilation, groups = 1, bias = true } = options;
    checkChannels('ConvTranspose2d', inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pairOf('ConvTranspose2d', 'kernelSize', kernelSize, 1);
    this.options = { stride, padding, outputPadding, dilation, groups };
    this.weight = zeroParameter([inChannels, outChannels / groups, ...this.kernelSize], options);
    this.bias = bias ? zeroParameter([outChannels], options) : null;
    this.resetParameters();
  }

  /** Draws new initial values. */
  resetParameters(): void {
    initialiseLayer(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, { ...this.options, bias: this.bias });
  }

  override extraRepr(): string {
    const bias = this.bias === null ? ', bias=false' : '';
    const kernel = `kernelSize=[${this.kernelSize.join(', ')}]`;
    return `${this.inChannels}, ${this.outChannels}, ${kernel}${shown(this.options)}${bias}`;
  }
}
