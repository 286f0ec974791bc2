// What `tilegrad bench` times: the operations of small networks at sizes that people use, and whole training steps.
import '../autograd.ts'; // attaches backward() to tensors
import type { Device } from '../device.ts';
import * as nn from '../nn/index.ts';
import { add, conv2d, exp, matmul, relu, softmax, sum } from '../ops/index.ts';
import * as optim from '../optim/index.ts';
import { tidy } from '../scope.ts';
import { type Shape, type Tensor, tensor } from '../tensor.ts';
import { models } from './models.ts';

/** One thing to time: how much work it is, and how one run of it is enqueued on a device. */
export interface BenchWork {
  readonly name: string;
  readonly flops?: number;
  /** Bytes read and written at least. */
  readonly bytes?: number;
  prepare(device: Device): () => void;
}

const million = 2 ** 20;
// Larger than caches are, so that the rate is that of the memory.
const many = 16 * million;
const count = (n: number): string => n.toLocaleString('en-US');
const sizeOf = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);

/** Uniform values in [-1, 1) that are the same in every run. */
function values(shape: Shape, device: Device): Tensor {
  const data = new Float32Array(sizeOf(shape));
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return tensor(data, { shape, device });
}

/** A run of `compute` on tensors of these shapes; what it makes is freed. */
const on =
  (shapes: readonly Shape[], compute: (...inputs: Tensor[]) => unknown) =>
  (device: Device): (() => void) => {
    const inputs = shapes.map((shape) => values(shape, device));
    return () => tidy(() => void compute(...inputs));
  };

export function matmulWork(n: number): BenchWork {
  const shape = [n, n];
  return { name: `matmul ${n}x${n}`, flops: 2 * n ** 3, bytes: 12 * n * n, prepare: on([shape, shape], matmul) };
}

export function addWork(n: number): BenchWork {
  return { name: `add ${count(n)}`, ...(n >= million && { bytes: 12 * n }), prepare: on([[n], [n]], add) };
}

function convWork(
  x: readonly [number, number, number, number],
  channels: number,
  kernel: number,
  padding: number,
): BenchWork {
  const [batch, inChannels, height, width] = x;
  const positions = batch * (height + 2 * padding - kernel + 1) * (width + 2 * padding - kernel + 1);
  const weight = [channels, inChannels, kernel, kernel];
  return {
    name: `conv2d ${x.join('x')}, ${channels} of ${kernel}x${kernel}`,
    flops: 2 * positions * sizeOf(weight),
    bytes: 4 * (sizeOf(x) + sizeOf(weight) + positions * channels),
    prepare: on([x, weight], (images, kernels) => conv2d(images as Tensor, kernels as Tensor, { padding })),
  };
}

const shapes: Readonly<Record<string, Shape>> = { lenet5: [1, 28, 28], mlp: [784] };
// Multiply-adds for one image, once forward and twice backward; the images need no gradient.
const stepMultiplyAdds: Readonly<Record<string, number>> = {
  lenet5: 2 * 86_400 + 3 * (153_600 + 30_720 + 10_080 + 840),
  mlp: 2 * 100_352 + 3 * 1_280,
};

/** A whole training step: forward, backward, update with momentum. */
export function stepWork(model: 'lenet5' | 'mlp', batch: number): BenchWork {
  return {
    name: `${model} training step, batch ${batch}`,
    flops: 2 * batch * (stepMultiplyAdds[model] as number),
    prepare: (device) => {
      const net = (models[model] as (typeof models)[string]).make().to(device);
      const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 });
      const input = values([batch, ...(shapes[model] as Shape)], device);
      const target = tensor(
        Array.from({ length: batch }, (_, i) => i % 10),
        { dtype: 'i64', device },
      );
      return () =>
        tidy(() => {
          optimizer.zeroGrad();
          nn.functional.crossEntropy(net.forward(input), target).backward();
          optimizer.step();
        });
    },
  };
}

/** The rows of the table of operations. */
export const opWork: readonly BenchWork[] = [
  stepWork('lenet5', 64),
  stepWork('mlp', 64),
  matmulWork(64),
  matmulWork(256),
  matmulWork(1024),
  {
    name: 'linear 64x1024 -> 1024',
    flops: 2 * 64 * many,
    bytes: 4 * (million + 2 * 65_536),
    prepare: on(
      [
        [64, 1024],
        [1024, 1024],
      ],
      (x, w) => nn.functional.linear(x as Tensor, w as Tensor),
    ),
  },
  convWork([64, 1, 28, 28], 6, 5, 0),
  convWork([64, 6, 12, 12], 16, 5, 0),
  convWork([8, 64, 56, 56], 64, 3, 1),
  addWork(1),
  addWork(many),
  { name: `relu ${count(many)}`, bytes: 8 * many, prepare: on([[many]], (x) => relu(x as Tensor)) },
  { name: `exp ${count(many)}`, bytes: 8 * many, prepare: on([[many]], (x) => exp(x as Tensor)) },
  { name: `sum ${count(many)}`, bytes: 4 * many, prepare: on([[many]], (x) => sum(x as Tensor)) },
  { name: 'softmax 4096x4096', bytes: 8 * many, prepare: on([[4096, 4096]], (x) => softmax(x as Tensor, -1)) },
];
