// The TensorFlow.js side (WebAssembly backend) of npm run bench:peers.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { answer } from './answer.mjs';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core');
const wasm = require('@tensorflow/tfjs-backend-wasm');

wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
wasm.setThreadsCount(Number(process.env.PEER_THREADS));
await tf.setBackend('wasm');

const normal = (shape) => tf.keep(tf.randomNormal(shape));
const nhwc = ([n, c, h, w]) => [n, h, w, c];
const once = (compute) => () => compute().dispose();

function conv2d({ x, w, options }) {
  const images = normal(nhwc(x));
  const padding = options.padding ?? 0;
  if (options.groups > 1) {
    const filter = normal([w[2], w[3], x[1], 1]);
    return once(() => tf.depthwiseConv2d(images, filter, 1, padding === 1 ? 'same' : padding));
  }
  const filter = normal([w[2], w[3], w[1], w[0]]);
  return once(() => tf.conv2d(images, filter, 1, padding === 1 && w[2] === 3 ? 'same' : padding));
}

function mlpStep({ batch }) {
  const [input, target] = [normal([batch, 784]), tf.keep(tf.oneHot(tf.zeros([batch], 'int32'), 10))];
  const shapes = [[784, 128], [128], [128, 10], [10]];
  const [w1, b1, w2, b2] = shapes.map((shape) => tf.variable(tf.randomNormal(shape, 0, 0.05)));
  const optimizer = tf.train.momentum(0.01, 0.9);
  const loss = () => {
    const hidden = tf.relu(tf.add(tf.matMul(input, w1), b1));
    return tf.losses.softmaxCrossEntropy(target, tf.add(tf.matMul(hidden, w2), b2));
  };
  return () => {
    const { value, grads } = tf.variableGrads(loss);
    optimizer.applyGradients(grads);
    value.dispose();
    for (const grad of Object.values(grads)) grad.dispose();
  };
}

function smallAdd({ shape, calls }) {
  const [a, b] = [normal(shape), normal(shape)];
  return () =>
    tf.tidy(() => {
      for (let i = 0; i < calls; i++) tf.add(a, b);
    });
}

const cases = {
  matmul({ m, k, n }) {
    const [a, b] = [normal([m, k]), normal([k, n])];
    return once(() => tf.matMul(a, b));
  },
  conv2d,
  max_pool2d({ x, kernel }) {
    const images = normal(nhwc(x));
    return once(() => tf.maxPool(images, kernel, kernel, 'valid'));
  },
  relu({ shape }) {
    const x = normal(shape);
    return once(() => tf.relu(x));
  },
  softmax({ rows, classes }) {
    const x = normal([rows, classes]);
    return once(() => tf.softmax(x));
  },
  mlp_step: mlpStep,
  small_add: smallAdd,
};

const prepare = ({ kind, ...rest }) => ({ run: cases[kind](rest) });

for await (const line of createInterface({ input: process.stdin })) await answer(line, prepare);
