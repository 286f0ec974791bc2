// Pooling layers.
import { checkOptions } from '../error.ts';
import { type MaxPool2dOptions, maxPool2d, type PoolPair } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { pairOf } from './conv.ts';
import { Module } from './module.ts';

const listed = (value: PoolPair | readonly number[]): string =>
  typeof value === 'number' ? String(value) : `[${value.join(', ')}]`;

/** The largest value of each window of `kernelSize` rows and columns. As torch.nn.MaxPool2d. */
export class MaxPool2d extends Module {
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
