// Pooling layers.
import { checkOptions } from '../error.ts';
import {
  type AvgPool2dOptions,
  adaptiveAvgPool2d,
  avgPool2d,
  type MaxPool2dOptions,
  maxPool2d,
  type PoolPair,
} from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { pairOf } from './conv.ts';
import { checkSize } from './linear.ts';
import type { ImageFlow } from './flow.ts';
import { Module } from './module.ts';

const listed = (value: PoolPair | readonly number[]): string =>
  typeof value === 'number' ? String(value) : `[${value.join(', ')}]`;

/** The largest value of each window of `kernelSize` rows and columns. As torch.nn.MaxPool2d. */
export class MaxPool2d extends Module {
  declare readonly _flow: ImageFlow;
  readonly kernelSize: PoolPair;
  readonly options: MaxPool2dOptions;

  constructor(kernelSize: PoolPair, options: MaxPool2dOptions = {}) {
    super();
    checkOptions('MaxPool2d', options, ['stride', 'padding', 'dilation', 'ceilMode']);
    pairOf('MaxPool2d', 'kernelSize', kernelSize, 1);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { stride, padding = 0, dilation = 1, ceilMode = false } = this.options;
    return [
      `kernelSize=${listed(this.kernelSize)}, stride=${listed(stride ?? this.kernelSize)}`,
      `padding=${listed(padding)}, dilation=${listed(dilation)}, ceilMode=${ceilMode}`,
    ].join(', ');
  }
}

/** The mean of each window of `kernelSize` rows and columns. As torch.nn.AvgPool2d. */
export class AvgPool2d extends Module {
  declare readonly _flow: ImageFlow;
  readonly kernelSize: PoolPair;
  readonly options: AvgPool2dOptions;

  constructor(kernelSize: PoolPair, options: AvgPool2dOptions = {}) {
    super();
    checkOptions('AvgPool2d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride']);
    pairOf('AvgPool2d', 'kernelSize', kernelSize, 1);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { stride, padding = 0 } = this.options;
    return `kernelSize=${listed(this.kernelSize)}, stride=${listed(stride ?? this.kernelSize)}, padding=${listed(padding)}`;
  }
}

/**
 * The means of windows that cover the image and give `outputSize` rows and columns; null keeps the image's. As
 * torch.nn.AdaptiveAvgPool2d.
 */
export class AdaptiveAvgPool2d extends Module {
  declare readonly _flow: ImageFlow;
  readonly outputSize: number | readonly [number | null, number | null];

  constructor(outputSize: number | readonly [number | null, number | null]) {
    super();
    for (const size of typeof outputSize === 'number' ? [outputSize] : outputSize)
      if (size !== null) checkSize('AdaptiveAvgPool2d', 'outputSize', size);
    this.outputSize = outputSize;
  }

  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }

  override extraRepr(): string {
    return `outputSize=${typeof this.outputSize === 'number' ? this.outputSize : `[${this.outputSize.join(', ')}]`}`;
  }
}
