// A small classifier on points that it can learn; the same steps wherever it runs.
import { data, manualSeed, memory, nn, optim, tensor, tidy } from 'tilegrad';

const rows = 512;
const features = 8;

export function points() {
  const input = new Float32Array(rows * features);
  const target = new BigInt64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < features; j++) {
      const value = (((i * 37 + j * 101 + i * j * 13) % 97) - 48) / 48;
      input[i * features + j] = value;
      sum += value * (j % 2 === 0 ? 1 : -1);
    }
    target[i] = BigInt(sum > 0 ? 1 : 0);
  }
  return new data.TensorDataset({ input: tensor(input, { shape: [rows, features] }), target: tensor(target) });
}

export function classifier(lr = 0.05) {
  manualSeed(7);
  const model = new nn.Sequential(new nn.Linear(features, 16), new nn.ReLU(), new nn.Linear(16, 2));
  return { model, optimizer: new optim.SGD(model.parameters(), { lr, momentum: 0.9 }) };
}

export const loader = (dataset) => new data.DataLoader(dataset, { batchSize: 32, shuffle: true, seed: 3 });

export function step({ model, optimizer }, { input, target }) {
  optimizer.zeroGrad();
  const loss = nn.functional.crossEntropy(model.forward(input), target);
  loss.backward();
  optimizer.step();
  return loss;
}

/** Trains for some epochs and gives the losses at the start and at the end. */
export async function train(epochs) {
  const dataset = points();
  const learner = classifier();
  const batches = loader(dataset);
  const losses = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    let last;
    for await (const batch of batches) last = step(learner, batch);
    losses.push(await last.item());
  }
  return { first: losses[0], last: losses.at(-1) };
}

/** Live bytes and tensors, and resident memory, when all work is done and garbage is collected. */
export async function usage() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { liveBytes, liveTensors, peakBytes } = memory();
  return { liveBytes, liveTensors, peakBytes, rss: process.memoryUsage.rss() };
}

export { tidy };
