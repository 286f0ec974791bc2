// Convolutions: LeNet-5's layers (A, B), 3x3 layers of residual networks (C, D), 1x1 (E) and depthwise (F); those of
// ResNet-18 for one image.
import { conv2d as convolution, type Device, grad, type Tensor, tidy } from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

interface Layer {
  name: string;
  x: [number, number, number, number];
  /** Output channels and kernel size. */
  channels: number;
  kernel: number;
  options?: { padding?: number; groups?: number; stride?: number };
}

const layers: Layer[] = [
  { name: 'A 64x1x28x28 -> 6 5x5', x: [64, 1, 28, 28], channels: 6, kernel: 5 },
  { name: 'B 64x6x12x12 -> 16 5x5', x: [64, 6, 12, 12], channels: 16, kernel: 5 },
  { name: 'C 8x64x56x56 -> 64 3x3 p1', x: [8, 64, 56, 56], channels: 64, kernel: 3, options: { padding: 1 } },
  { name: 'D 8x128x28x28 -> 128 3x3 p1', x: [8, 128, 28, 28], channels: 128, kernel: 3, options: { padding: 1 } },
  { name: 'E 8x256x14x14 -> 256 1x1', x: [8, 256, 14, 14], channels: 256, kernel: 1 },
  {
    name: 'F 8x128x28x28 depthwise 3x3 p1',
    x: [8, 128, 28, 28],
    channels: 128,
    kernel: 3,
    options: { padding: 1, groups: 128 },
  },
];

const resnetLayer = (channels: number, size: number, outputs: number, kernel: number, stride: number): Layer => ({
  name: `ResNet-18 1x${channels}x${size}x${size} -> ${outputs} ${kernel}x${kernel} s${stride}`,
  x: [1, channels, size, size],
  channels: outputs,
  kernel,
  options: { padding: (kernel - 1) / 2, stride },
});

const resnet18: Layer[] = [
  resnetLayer(3, 224, 64, 7, 2),
  resnetLayer(64, 56, 64, 3, 1),
  ...[64, 128, 256].flatMap((channels, i) => {
    const size = 56 / 2 ** i;
    return [
      resnetLayer(channels, size, 2 * channels, 3, 2),
      resnetLayer(channels, size, 2 * channels, 1, 2),
      resnetLayer(2 * channels, size / 2, 2 * channels, 3, 1),
    ];
  }),
];

export type Direction = 'forward' | 'input' | 'weight';

function run({ x, channels, kernel, options = {} }: Layer, direction: Direction, device: Device): () => void {
  const images = randomTensor(x, device);
  const weight = randomTensor([channels, x[1] / (options.groups ?? 1), kernel, kernel], device);
  if (direction === 'forward') return () => tidy(() => void convolution(images, weight, options));
  const target: Tensor = direction === 'input' ? images : weight;
  target.requiresGrad = true;
  // The graph is made once and walked again and again: only the gradient is timed.
  const y = convolution(images, weight, options);
  const dout = randomTensor(y.shape, device);
  return () => tidy(() => void grad(y, target, { gradOutputs: [dout], retainGraph: true })[0]?.dispose());
}

/** One row for each layer. */
export function convolutions(direction: Direction, chosen: readonly Layer[] = layers): BenchRow[] {
  return chosen.map((layer) => {
    const { x, channels, kernel, options = {} } = layer;
    const groups = options.groups ?? 1;
    const side = (size: number) => Math.floor((size + 2 * (options.padding ?? 0) - kernel) / (options.stride ?? 1)) + 1;
    const positions = x[0] * side(x[2]) * side(x[3]);
    return {
      name: `${direction === 'forward' ? 'forward' : `${direction} gradient`} ${layer.name}`,
      flops: 2 * positions * channels * (x[1] / groups) * kernel * kernel,
      bytes: 4 * (x.reduce((a, b) => a * b) + positions * channels + (channels * x[1] * kernel * kernel) / groups),
      prepare: (device) => run(layer, direction, device),
      torch: {
        kind: 'conv2d',
        direction,
        x,
        w: [channels, x[1] / groups, kernel, kernel],
        options,
      },
    };
  });
}

export const conv2d: BenchSuite = {
  name: 'conv2d',
  rows: () => [
    ...convolutions('forward'),
    ...convolutions('input'),
    ...convolutions('weight'),
    ...convolutions('forward', resnet18),
  ],
};
