// The cases of npm run bench:peers: what ours runs, and how each peer is asked for the same.
import {
  batchNorm,
  type Device,
  type DType,
  gelu,
  grad,
  int8Matmul,
  layerNorm,
  maxPool2d,
  nn,
  noGrad,
  relu,
  softmax,
  type Tensor,
  tensor,
  tidy,
} from 'tilegrad';
import { lenet5, resnet18 } from '../models.ts';
import type { BenchRow, TorchCase } from '../suite.ts';
import { convolutions, type Direction } from '../suites/conv2d.ts';
import { randomTensor } from '../suites/inputs.ts';
import { product } from '../suites/matmul.ts';
import { calls, smallAdd } from '../suites/overhead.ts';
import { trainingSteps } from '../suites/train.ts';

/** A request of one peer: JSON for those in Python and JavaScript, words for those in C++. */
export interface Requests {
  PyTorch?: TorchCase;
  'ONNX Runtime'?: TorchCase;
  'TensorFlow.js'?: TorchCase;
  oneDNN?: string;
  OpenBLAS?: string;
}

export interface PeerCase {
  name: string;
  flops?: number;
  bytes?: number;
  prepare: (device: Device) => () => void;
  requests: Requests;
  /** Calls in one run, of ours and of each peer (default 1): times are given per call. */
  calls?: { ours: number; peers: Partial<Record<keyof Requests, number>> };
}

const elements = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** A row of a suite of npm run bench, with the requests of the other peers. */
function fromRow(name: string, row: BenchRow, requests: Requests): PeerCase {
  const { flops, bytes, prepare, torch } = row;
  return {
    name,
    ...(flops ? { flops } : {}),
    ...(bytes ? { bytes } : {}),
    prepare,
    requests: { ...(torch ? { PyTorch: torch } : {}), ...requests },
  };
}

function matmul(m: number, k: number, n: number): PeerCase {
  const shape = { kind: 'matmul', m, k, n };
  const words = `matmul ${m} ${k} ${n}`;
  const requests = { 'ONNX Runtime': shape, 'TensorFlow.js': shape, oneDNN: words, OpenBLAS: words };
  return fromRow(`matmul ${m}x${k}x${n}`, product(m, k, n), requests);
}

function drawnBytes(dtype: DType, shape: readonly number[], low: number, high: number, device: Device): Tensor {
  let state = 1;
  const values = Array.from({ length: elements(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * (high - low + 1));
  });
  return tensor(values, { shape, dtype, device });
}

function int8(n: number, low: number, high: number): PeerCase {
  return {
    name: `u8 x s8 matmul ${n}x${n}x${n}, weights in [${low}, ${high}]`,
    prepare: (device) => {
      const a = drawnBytes('u8', [n, n], 0, 255, device);
      const b = drawnBytes('i8', [n, n], low, high, device);
      return () => tidy(() => void int8Matmul(a, b));
    },
    requests: {
      'ONNX Runtime': { kind: 'int8_matmul', m: n, k: n, n, low, high },
      oneDNN: `int8_matmul ${n} ${n} ${n} ${low} ${high}`,
    },
  };
}

function convolutionCases(direction: Direction): PeerCase[] {
  return convolutions(direction).map((row) => {
    const { x, w, options } = row.torch as unknown as { x: number[]; w: number[]; options: Record<string, number> };
    const { padding = 0, groups = 1 } = options;
    const words = `conv2d ${direction} ${x.join(' ')} ${w[0]} ${w[2]} ${padding} ${groups}`;
    const forward = { kind: 'conv2d', x, w, options };
    const others = direction === 'forward' ? { 'ONNX Runtime': forward, 'TensorFlow.js': forward } : {};
    return fromRow(`conv2d ${row.name}`, row, { ...others, oneDNN: words });
  });
}

/** Walks the graph of one output again and again: only the gradients are timed. */
function gradients(y: Tensor, inputs: Tensor[]): () => void {
  const dout = randomTensor(y.shape, y.device);
  return () =>
    tidy(() => {
      for (const found of grad(y, inputs, { gradOutputs: [dout], retainGraph: true })) found?.dispose();
    });
}

const images = (shape: readonly number[], device: Device, requiresGrad: boolean): Tensor => {
  const x = randomTensor(shape, device);
  x.requiresGrad = requiresGrad;
  return x;
};

function maxPool(backward: boolean): PeerCase {
  const x = [64, 64, 56, 56];
  const kernel = 2;
  const request = { kind: 'max_pool2d', x, kernel };
  return {
    name: `max pool 2x2 64x64x56x56 ${backward ? 'backward' : 'forward'}`,
    // Backward reads the gradient and the places of the maxima, at the least one byte each.
    bytes: elements(x) * (backward ? 4 + 5 / 4 : 5),
    prepare: (device) => {
      const input = images(x, device, backward);
      if (!backward) return () => tidy(() => void maxPool2d(input, kernel));
      return gradients(maxPool2d(input, kernel), [input]);
    },
    requests: {
      PyTorch: { ...request, kind: backward ? 'max_pool2d_backward' : 'max_pool2d' },
      ...(backward ? {} : { 'ONNX Runtime': request, 'TensorFlow.js': request }),
      oneDNN: `max_pool2d ${backward ? 'backward' : 'forward'} ${x.join(' ')} ${kernel}`,
    },
  };
}

function unary(name: 'relu' | 'gelu', shape: readonly number[]): PeerCase {
  const compute = { relu, gelu }[name];
  return {
    name: `${name} ${shape.join('x')}`,
    bytes: 8 * elements(shape),
    prepare: (device) => {
      const x = randomTensor(shape, device);
      return () => tidy(() => void compute(x));
    },
    requests: {
      PyTorch: { kind: 'function', name, shapes: [shape] },
      'ONNX Runtime': { kind: name, shape },
      ...(name === 'relu' ? { 'TensorFlow.js': { kind: name, shape } } : {}),
      oneDNN: `${name} ${shape.join(' ')}`,
    },
  };
}

const rows = 1024;
const columns = 1000;

/** A function of a matrix by rows, forward and backward; `passes` counts the reads and writes of a matrix. */
function byRows(
  name: string,
  passes: [number, number],
  make: (x: Tensor, device: Device) => { compute: () => Tensor; inputs: Tensor[] },
  requests: (direction: 'forward' | 'backward') => Requests,
): PeerCase[] {
  return (['forward', 'backward'] as const).map((direction, i) => ({
    name: `${name} ${rows}x${columns} ${direction}`,
    bytes: 4 * rows * columns * (passes[i] as number),
    prepare: (device) => {
      const { compute, inputs } = make(randomTensor([rows, columns], device), device);
      if (direction === 'forward') return () => tidy(() => void compute());
      for (const input of inputs) input.requiresGrad = true;
      return gradients(compute(), inputs);
    },
    requests: requests(direction),
  }));
}

const matrices = (): PeerCase[] => [
  ...byRows(
    'softmax',
    [2, 3],
    (x) => ({ compute: () => softmax(x), inputs: [x] }),
    (direction) => {
      const shape = { rows, classes: columns };
      const oneDNN = `softmax ${direction} ${rows} ${columns}`;
      if (direction === 'backward') return { PyTorch: { kind: 'softmax_backward', ...shape }, oneDNN };
      const PyTorch = { kind: 'function', name: 'softmax', shapes: [[rows, columns]], args: [1] };
      const other = { kind: 'softmax', ...shape };
      return { PyTorch, 'ONNX Runtime': other, 'TensorFlow.js': other, oneDNN };
    },
  ),
  ...byRows(
    'layer norm',
    [2, 3],
    (x, device) => {
      const [weight, bias] = [randomTensor([columns], device), randomTensor([columns], device)];
      return { compute: () => layerNorm(x, [columns], { weight, bias }), inputs: [x, weight, bias] };
    },
    (direction) => {
      const request = { kind: 'layer_norm', rows, features: columns, direction };
      const oneDNN = `layer_norm ${direction} ${rows} ${columns}`;
      return { PyTorch: request, ...(direction === 'forward' ? { 'ONNX Runtime': request } : {}), oneDNN };
    },
  ),
  ...byRows(
    'cross-entropy',
    [1, 2],
    (x, device) => {
      const labels = Array.from({ length: rows }, (_, i) => (i * 7) % columns);
      const target = tensor(labels, { dtype: 'i64', device });
      return { compute: () => nn.functional.crossEntropy(x, target), inputs: [x] };
    },
    (direction) => ({
      PyTorch: { kind: direction === 'forward' ? 'cross_entropy' : 'cross_entropy_backward', rows, classes: columns },
    }),
  ),
];

function batchNorms(): PeerCase[] {
  const shape = [8, 64, 56, 56];
  return (['forward', 'backward'] as const).map((direction) => ({
    name: `batch norm (train) ${shape.join('x')} ${direction}`,
    bytes: 4 * elements(shape) * (direction === 'forward' ? 2 : 3),
    prepare: (device) => {
      const x = randomTensor(shape, device);
      const [weight, bias, mean, variance] = [1, 2, 3, 4].map(() => tensor(new Float32Array(64).fill(1), { device }));
      const compute = () =>
        batchNorm(x, mean as Tensor, variance as Tensor, {
          weight: weight as Tensor,
          bias: bias as Tensor,
          training: true,
        });
      if (direction === 'forward') return () => tidy(() => void compute());
      const inputs = [x, weight as Tensor, bias as Tensor];
      for (const input of inputs) input.requiresGrad = true;
      return gradients(compute(), inputs);
    },
    requests: {
      PyTorch: { kind: 'batch_norm', x: shape, direction },
      oneDNN: `batch_norm ${direction} ${shape.join(' ')}`,
    },
  }));
}

function inference(name: string, model: 'lenet5' | 'resnet18', inputs: readonly number[], flops: number): PeerCase {
  const request = { kind: 'inference', model, inputs };
  return {
    name: `inference ${name} batch ${inputs[0]}`,
    flops,
    prepare: (device) => {
      const network = { lenet5, resnet18 }[model]();
      network.to(device).eval();
      // As ONNX Runtime does when it loads a model.
      nn.utils.fuse_(network);
      const x = randomTensor(inputs, device);
      // As the peers do, each run waits for its result.
      return () => noGrad(() => tidy(() => void network.forward(x).dataSync()));
    },
    requests: { PyTorch: request, 'ONNX Runtime': request },
  };
}

/** One layer over sequences: its outputs, or a whole step to the gradients of its weights. */
function recurrent(cell: 'LSTM' | 'GRU', batch: number, training: boolean): PeerCase {
  const [steps, width] = [50, 128];
  const request = { kind: 'recurrent', cell, steps, batch, inputs: width, hidden: width };
  const gates = { LSTM: 4, GRU: 3 }[cell];
  return {
    name: `${cell} ${training ? 'gradients' : 'inference'}, ${steps} steps, batch ${batch}, ${width} units`,
    flops: (training ? 3 : 1) * 2 * steps * batch * gates * width * 2 * width,
    prepare: (device) => {
      const layer = new nn[cell](width, width).to(device);
      const x = randomTensor([steps, batch, width], device);
      if (!training) return () => noGrad(() => tidy(() => void layer.forward(x)[0].dataSync()));
      x.requiresGrad = true;
      const inputs = [x, ...layer.parameters()];
      const dout = randomTensor([steps, batch, width], device);
      return () =>
        tidy(() => {
          for (const found of grad(layer.forward(x)[0], inputs, { gradOutputs: [dout] })) found.dispose();
        });
    },
    requests: {
      PyTorch: { ...request, training },
      ...(training ? {} : { 'ONNX Runtime': request }),
    },
  };
}

function additions(): PeerCase[] {
  const shape = [1];
  const plain = fromRow('add of one element', smallAdd('add', false), {
    'ONNX Runtime': { kind: 'add', shape },
    'TensorFlow.js': { kind: 'small_add', shape, calls },
  });
  const recorded = fromRow('add of one element, recorded for autograd', smallAdd('add', true), {});
  const peers = { PyTorch: calls, 'TensorFlow.js': calls };
  return [plain, recorded].map((one) => ({ ...one, calls: { ours: calls, peers } }));
}

/** All cases, in the order of the table. */
export const peerCases = (): PeerCase[] => [
  ...[256, 512, 1024, 2048].map((n) => matmul(n, n, n)),
  matmul(64, 1024, 1024),
  matmul(1, 4096, 4096),
  ...[512, 1024, 2048].flatMap((n) => [int8(n, -64, 63), int8(n, -128, 127)]),
  ...(['forward', 'input', 'weight'] as const).flatMap(convolutionCases),
  maxPool(false),
  maxPool(true),
  unary('relu', [8, 64, 56, 56]),
  unary('relu', [64, 64, 56, 56]),
  ...matrices(),
  ...batchNorms(),
  unary('gelu', [8, 64, 56, 56]),
  ...trainingSteps().map((row) => fromRow(row.name, row, {})),
  inference('LeNet-5', 'lenet5', [1, 1, 28, 28], 2 * 281_640),
  inference('LeNet-5', 'lenet5', [64, 1, 28, 28], 2 * 64 * 281_640),
  inference('ResNet-18', 'resnet18', [1, 3, 224, 224], 2 * 1_814_073_344),
  ...(['LSTM', 'GRU'] as const).flatMap((cell) => [
    recurrent(cell, 1, false),
    recurrent(cell, 32, false),
    recurrent(cell, 32, true),
  ]),
  ...additions(),
];
