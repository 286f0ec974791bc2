// The ONNX Runtime side of npm run bench:peers: one JSON request per line on stdin, one answer per line on stdout.
import { createInterface } from 'node:readline';
import * as ort from 'onnxruntime-node';
import { answer } from './answer.mjs';
import { Model } from './onnx_model.mjs';

let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
};
const byte = (low, high) => () => low + Math.floor(((uniform() + 1) / 2) * (high - low + 1));

function weights(model, dims) {
  const scale = 1 / Math.sqrt(dims.slice(1).reduce((n, d) => n * d, 1));
  return model.constant('f32', dims, () => uniform() * scale);
}

function conv(model, x, outputs, inputs, kernel, { stride = 1, padding = 0, groups = 1, bias = false } = {}) {
  const operands = [x, weights(model, [outputs, inputs / groups, kernel, kernel])];
  if (bias) operands.push(weights(model, [outputs]));
  const attributes = { strides: [stride, stride], pads: [padding, padding, padding, padding], group: groups };
  return model.node('Conv', operands, { ...attributes, kernel_shape: [kernel, kernel] });
}

const linear = (model, x, outputs, inputs) =>
  model.node('Gemm', [x, weights(model, [outputs, inputs]), weights(model, [outputs])], { transB: 1 });
const relu = (model, x) => model.node('Relu', [x]);
const maxPool = (model, x, kernel, stride, padding = 0) =>
  model.node('MaxPool', [x], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  });

function batchNorm(model, x, channels) {
  const values = [1, 0, 0, 1].map((value) => model.constant('f32', [channels], () => value + 0.1 * (uniform() + 1)));
  return model.node('BatchNormalization', [x, ...values]);
}

function lenet5(model, x) {
  let y = maxPool(model, relu(model, conv(model, x, 6, 1, 5, { bias: true })), 2, 2);
  y = maxPool(model, relu(model, conv(model, y, 16, 6, 5, { bias: true })), 2, 2);
  y = model.node('Flatten', [y]);
  y = relu(model, linear(model, y, 120, 256));
  return linear(model, relu(model, linear(model, y, 84, 120)), 10, 84);
}

function residual(model, x, outputs, inputs, stride) {
  let y = relu(model, batchNorm(model, conv(model, x, outputs, inputs, 3, { stride, padding: 1 }), outputs));
  y = batchNorm(model, conv(model, y, outputs, outputs, 3, { padding: 1 }), outputs);
  const skip = inputs === outputs ? x : batchNorm(model, conv(model, x, outputs, inputs, 1, { stride }), outputs);
  return relu(model, model.node('Add', [y, skip]));
}

function resnet18(model, x) {
  let y = relu(model, batchNorm(model, conv(model, x, 64, 3, 7, { stride: 2, padding: 3 }), 64));
  y = maxPool(model, y, 3, 2, 1);
  let inputs = 64;
  for (const outputs of [64, 128, 256, 512]) {
    y = residual(model, y, outputs, inputs, inputs === outputs ? 1 : 2);
    y = residual(model, y, outputs, outputs, 1);
    inputs = outputs;
  }
  y = model.node('Flatten', [model.node('GlobalAveragePool', [y])]);
  return linear(model, y, 1000, 512);
}

function recurrent(model, { cell, steps, batch, inputs, hidden }) {
  const width = { LSTM: 4, GRU: 3 }[cell] * hidden;
  const x = model.input('f32', [steps, batch, inputs]);
  const operands = [weights(model, [1, width, inputs]), weights(model, [1, width, hidden])];
  operands.push(weights(model, [1, 2 * width]));
  return model.node(cell, [x, ...operands], {
    hidden_size: hidden,
    ...(cell === 'GRU' ? { linear_before_reset: 1 } : {}),
  });
}

const networks = { lenet5, resnet18 };
// Each builds the model and returns its result, or [result, dtype].
const cases = {
  matmul: (model, { m, k, n }) => model.node('MatMul', [model.input('f32', [m, k]), model.input('f32', [k, n])]),
  int8_matmul: (model, { m, k, n, low, high }) => {
    const b = model.constant('s8', [k, n], byte(low, high));
    return [model.node('MatMulInteger', [model.input('u8', [m, k]), b]), 's32'];
  },
  conv2d: (model, { x, w, options }) => conv(model, model.input('f32', x), w[0], x[1], w[2], options),
  max_pool2d: (model, { x, kernel }) => maxPool(model, model.input('f32', x), kernel, kernel),
  relu: (model, { shape }) => relu(model, model.input('f32', shape)),
  gelu: (model, { shape }) => model.node('Gelu', [model.input('f32', shape)], {}, 'com.microsoft'),
  softmax: (model, { rows, classes }) => model.node('Softmax', [model.input('f32', [rows, classes])], { axis: -1 }),
  layer_norm: (model, { rows, features }) => {
    const x = model.input('f32', [rows, features]);
    return model.node('LayerNormalization', [x, weights(model, [features]), weights(model, [features])], { axis: -1 });
  },
  inference: (model, { model: network, inputs }) => networks[network](model, model.input('f32', inputs)),
  recurrent,
  add: (model, { shape }) => model.node('Add', [model.input('f32', shape), model.input('f32', shape)]),
};

async function prepare({ kind, ...rest }, threads) {
  const model = new Model();
  const [result, dtype] = [cases[kind](model, rest)].flat();
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, executionProviders: ['cpu'] };
  const session = await ort.InferenceSession.create(model.finish(result, dtype), options);
  const feeds = {};
  for (const { name, dtype, dims } of model.inputs) {
    const count = dims.reduce((n, d) => n * d, 1);
    const draw = dtype === 'u8' ? byte(0, 255) : uniform;
    const Values = dtype === 'u8' ? Uint8Array : Float32Array;
    const data = Values.from({ length: count }, draw);
    feeds[name] = new ort.Tensor(dtype === 'u8' ? 'uint8' : 'float32', data, dims);
  }
  return { run: () => session.run(feeds), close: () => session.release() };
}

for await (const line of createInterface({ input: process.stdin })) await answer(line, prepare);
