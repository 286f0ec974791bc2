// What bench/gpu times: the same shapes for ours and for PyTorch.
import {
  batchNorm,
  cast,
  contiguous,
  conv2d,
  type Device,
  type DType,
  embedding,
  gelu,
  grad,
  int8Matmul,
  layerNorm,
  matmul,
  maxPool2d,
  nn,
  optim,
  randint,
  randn,
  relu,
  type Shape,
  softmax,
  sum,
  type Tensor,
  tidy,
  transpose,
  add,
} from 'tilegrad';
import { lenet5 } from '../models.ts';

/** How a product is computed: in the dtype of its operands, or f32 operands rounded to TF32 or as sums of two TF32. */
export type Precision = 'bf16' | 'f16' | 'tf32' | 'tf32x3' | 'f32' | 'int8';

export interface GpuRow {
  group: 'matmul' | 'conv2d' | 'memory' | 'train';
  name: string;
  precision: Precision;
  /** Operations of one run, a multiply-add being two; 0 where memory bounds it. */
  flops: number;
  /** Bytes that one run must read and write at least. */
  bytes: number;
  /** Makes inputs and returns what runs once on them: it enqueues, frees what it made and does not wait. */
  prepare: (device: Device) => () => void;
  /** A case of torch_gpu.py with its arguments. */
  torch: { kind: string; [argument: string]: unknown };
}

const dtypeOf = (precision: Precision): DType =>
  precision === 'tf32' || precision === 'tf32x3' ? 'f32' : precision === 'int8' ? 'i8' : precision;
const sizes: Record<string, number> = { f32: 4, bf16: 2, f16: 2, i8: 1 };
const numelOf = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);
const bytesOf = (precision: Precision) => sizes[dtypeOf(precision)] as number;

const random = (shape: Shape, precision: Precision, device: Device): Tensor =>
  precision === 'int8'
    ? randint(-127, 128, shape, { dtype: 'i8', device })
    : randn(shape, { dtype: dtypeOf(precision), device });

function product(m: number, n: number, k: number, precision: Precision, batch = 1): GpuRow {
  const lead = batch > 1 ? [batch] : [];
  const output = precision === 'int8' ? 4 : bytesOf(precision);
  return {
    group: 'matmul',
    name: `${batch > 1 ? `${batch} x ` : ''}${m}x${k} ${k}x${n} ${precision}`,
    precision,
    flops: 2 * batch * m * n * k,
    bytes: batch * ((m * k + k * n) * bytesOf(precision) + m * n * output),
    prepare: (device) => {
      const [a, b] = [random([...lead, m, k], precision, device), random([...lead, k, n], precision, device)];
      return () => tidy(() => void (precision === 'int8' ? int8Matmul(a, b) : matmul(a, b)));
    },
    torch: { kind: 'matmul', m, n, k, batch, precision },
  };
}

interface Layer {
  name: string;
  x: [number, number, number, number];
  channels: number;
  kernel: number;
  stride?: number;
  padding?: number;
}
type Direction = 'forward' | 'input gradient' | 'weight gradient';

function convolution(layer: Layer, direction: Direction, precision: Precision): GpuRow {
  const { x, channels, kernel, stride = 1, padding = 0 } = layer;
  const side = (size: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const y: Shape = [x[0], channels, side(x[2]), side(x[3])];
  const w: Shape = [channels, x[1], kernel, kernel];
  return {
    group: 'conv2d',
    name: `${direction} ${layer.name} ${precision}`,
    precision,
    flops: 2 * numelOf(y) * x[1] * kernel * kernel,
    bytes: (numelOf(x) + numelOf(w) + numelOf(y)) * bytesOf(precision),
    prepare: (device) => {
      const [images, weight] = [random(x, precision, device), random(w, precision, device)];
      if (direction === 'forward') return () => tidy(() => void conv2d(images, weight, { stride, padding }));
      const target = direction === 'input gradient' ? images : weight;
      target.requiresGrad = true;
      const made = conv2d(images, weight, { stride, padding });
      const dout = random(y, precision, device);
      return () => tidy(() => void grad(made, target, { gradOutputs: [dout], retainGraph: true })[0]?.dispose());
    },
    torch: { kind: 'conv2d', direction, x, w, stride, padding, precision },
  };
}

/** A function whose time is that of its memory: `passes` is how many tensors of the shape it reads and writes. */
function memory(
  name: string,
  shape: Shape,
  precision: Precision,
  passes: number,
  run: (x: Tensor, y: Tensor) => unknown,
): GpuRow {
  return {
    group: 'memory',
    name: `${name} ${shape.join('x')} ${precision}`,
    precision,
    flops: 0,
    bytes: passes * numelOf(shape) * bytesOf(precision),
    prepare: (device) => {
      const [x, y] = [random(shape, precision, device), random(shape, precision, device)];
      return () => tidy(() => void run(x, y));
    },
    torch: { kind: 'memory', name, shape, precision },
  };
}

function normalized(shape: Shape, precision: Precision, device: Device): [Tensor, Tensor, Tensor] {
  const width = [shape.at(-1) as number];
  return [random(shape, precision, device), random(width, precision, device), random(width, precision, device)];
}

function memoryRows(rows: number, columns: number, images: Shape): GpuRow[] {
  const flat: Shape = [rows, columns];
  const layers = (['f32', 'bf16'] as const).map(
    (precision): GpuRow => ({
      ...memory('layer_norm', flat, precision, 2, () => undefined),
      prepare: (device) => {
        const [x, weight, bias] = normalized(flat, precision, device);
        return () => tidy(() => void layerNorm(x, [columns], { weight, bias }));
      },
    }),
  );
  const batch: GpuRow = {
    ...memory('batch_norm', images, 'f32', 3, () => undefined),
    prepare: (device) => {
      const x = random(images, 'f32', device);
      return () => tidy(() => void batchNorm(x, null, null, { training: true }));
    },
  };
  const table: GpuRow = {
    ...memory('embedding', flat, 'f32', 2, () => undefined),
    prepare: (device) => {
      const [x, ids] = [random(flat, 'f32', device), randint(0, rows, [rows], { dtype: 'i64', device })];
      return () => tidy(() => void embedding(ids, x));
    },
  };
  return [
    memory('copy', flat, 'f32', 2, (x) => add(x, 0)),
    memory('add', flat, 'f32', 3, (x, y) => add(x, y)),
    memory('add', flat, 'bf16', 3, (x, y) => add(x, y)),
    memory('relu', flat, 'f32', 2, (x) => relu(x)),
    memory('gelu', flat, 'bf16', 2, (x) => gelu(x)),
    memory('sum', flat, 'f32', 1, (x) => sum(x)),
    memory('sum of rows', flat, 'f32', 1, (x) => sum(x, [1])),
    memory('sum of columns', flat, 'f32', 1, (x) => sum(x, [0])),
    memory('softmax', flat, 'f32', 2, (x) => softmax(x, -1)),
    memory('softmax', flat, 'bf16', 2, (x) => softmax(x, -1)),
    memory('cast to bf16', flat, 'f32', 1.5, (x) => cast(x, 'bf16')),
    memory('transpose', flat, 'f32', 2, (x) => contiguous(transpose(x))),
    memory('max_pool2d', images, 'f32', 1.25, (x) => maxPool2d(x, 2)),
    ...layers,
    batch,
    table,
  ];
}

function training(batch: number): GpuRow {
  return {
    group: 'train',
    name: `LeNet-5 step, batch ${batch}, SGD momentum f32`,
    precision: 'f32',
    flops: 2 * batch * (2 * 86_400 + 3 * (153_600 + 30_720 + 10_080 + 840)),
    bytes: 0,
    prepare: (device) => {
      const model = lenet5().to(device);
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
      const input = randn([batch, 1, 28, 28], { device });
      const target = randint(0, 10, [batch], { dtype: 'i64', device });
      return () =>
        tidy(() => {
          optimizer.zeroGrad();
          nn.functional.crossEntropy(model.forward(input), target).backward();
          optimizer.step();
        });
    },
    torch: { kind: 'lenet5', batch },
  };
}

const directions: Direction[] = ['forward', 'input gradient', 'weight gradient'];

/** ResNet-50's layers at batch 64, of each stage the 3x3 and the widening 1x1. */
const resnet: Layer[] = [
  { name: '3x224 -> 64 7x7 s2', x: [64, 3, 224, 224], channels: 64, kernel: 7, stride: 2, padding: 3 },
  { name: '64x56 -> 64 3x3', x: [64, 64, 56, 56], channels: 64, kernel: 3, padding: 1 },
  { name: '64x56 -> 256 1x1', x: [64, 64, 56, 56], channels: 256, kernel: 1 },
  { name: '128x28 -> 128 3x3', x: [64, 128, 28, 28], channels: 128, kernel: 3, padding: 1 },
  { name: '256x56 -> 512 1x1 s2', x: [64, 256, 56, 56], channels: 512, kernel: 1, stride: 2 },
  { name: '256x14 -> 256 3x3', x: [64, 256, 14, 14], channels: 256, kernel: 3, padding: 1 },
  { name: '512x7 -> 512 3x3', x: [64, 512, 7, 7], channels: 512, kernel: 3, padding: 1 },
];

/** All rows; `tiny` gives each kind once, in sizes that the emulated device computes in milliseconds. */
export function rows(tiny: boolean): GpuRow[] {
  const precisions: Precision[] = ['bf16', 'f16', 'tf32', 'tf32x3', 'f32', 'int8'];
  if (tiny) {
    const layer: Layer = { name: '4x8 -> 4 3x3', x: [2, 4, 8, 8], channels: 4, kernel: 3, padding: 1 };
    return [
      ...precisions.map((precision) => product(32, 32, 32, precision)),
      ...directions.map((direction) => convolution(layer, direction, 'f32')),
      ...memoryRows(8, 32, [2, 4, 8, 8]),
      training(2),
    ];
  }
  const squares = [1024, 2048, 4096, 8192];
  return [
    ...precisions.flatMap((precision) => squares.map((n) => product(n, n, n, precision))),
    ...[16, 128].map((m) => product(m, 4096, 4096, 'bf16')),
    product(128, 4096, 8192, 'int8'),
    product(256, 256, 256, 'bf16', 64),
    product(64, 120, 256, 'f32'),
    ...resnet.flatMap((layer) => directions.map((direction) => convolution(layer, direction, 'bf16'))),
    ...resnet.slice(1, 2).flatMap((layer) => directions.map((direction) => convolution(layer, direction, 'f32'))),
    ...memoryRows(8192, 8192, [64, 64, 112, 112]),
    ...[64, 512].map(training),
  ];
}
