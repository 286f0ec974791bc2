// Whole eager training steps: forward, backward, update.
import { type Device, nn, optim, tensor, tidy } from 'tilegrad';
import { lenet5, mlp } from '../models.ts';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

const classes = 10;

function step(model: nn.Sequential, shape: readonly number[], device: Device): () => void {
  model.to(device);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const input = randomTensor(shape, device);
  const labels = Array.from({ length: shape[0] as number }, (_, i) => (i * 7) % classes);
  const target = tensor(labels, { dtype: 'i64', device });
  return () =>
    tidy(() => {
      optimizer.zeroGrad();
      const loss = nn.functional.crossEntropy(model.forward(input), target);
      loss.backward();
      optimizer.step();
    });
}

const batch = 64;
/** LeNet-5 and a multilayer perceptron. */
export const trainingSteps = (): BenchRow[] => [
  {
    name: `LeNet-5 step, batch ${batch}, SGD momentum`,
    // Multiply-adds of the layers, once forward and twice backward; the images need no gradient.
    flops: 2 * batch * (2 * 86_400 + 3 * (153_600 + 30_720 + 10_080 + 840)),
    prepare: (device) => step(lenet5(), [batch, 1, 28, 28], device),
    torch: { kind: 'lenet5_step', batch },
  },
  {
    name: `MLP 784-128-10 step, batch ${batch}, SGD momentum`,
    flops: 2 * batch * (2 * 100_352 + 3 * 1_280),
    prepare: (device) => step(mlp(), [batch, 784], device),
    torch: { kind: 'mlp_step', batch },
  },
];

export const train: BenchSuite = { name: 'train', rows: trainingSteps };
