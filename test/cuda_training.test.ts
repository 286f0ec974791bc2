// Whole training steps on a CUDA device, or on the emulated one: LeNet-5 gives what it gives on the CPU.
import {
  bernoulli,
  cudaIsAvailable,
  type DeviceName,
  devices,
  Generator,
  manualSeed,
  nn,
  optim,
  randint,
  randn,
  type Tensor,
  tensor,
  tidy,
} from 'tilegrad';
import { describe, expect, test } from 'vitest';

const absent = devices().find((d) => d.name === 'cuda')?.reason;

function lenet(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(256, 120),
    new nn.ReLU(),
    new nn.Dropout(0.25, { generator: new Generator(9) }),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10),
  );
}

/** The losses of the steps, and the parameters after them. */
async function train(device: DeviceName, steps: number): Promise<{ losses: number[]; params: Float32Array[] }> {
  const model = lenet().to(device);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 });
  const generator = new Generator(2);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const input = randn([8, 1, 28, 28], { device, generator });
    const target = randint(0, 10, [8], { device, generator });
    optimizer.zeroGrad();
    const loss = nn.functional.crossEntropy(model.forward(input), target);
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
  }
  const read = async (p: Tensor) => (await p.data()) as Float32Array;
  return { losses, params: await Promise.all([...model.parameters()].map(read)) };
}

describe.skipIf(!cudaIsAvailable())(`training on CUDA${absent ? ` (${absent})` : ''}`, () => {
  test('LeNet-5 learns as on the CPU', { timeout: 300_000 }, async () => {
    const steps = 3;
    const [cpu, cuda] = [await train('cpu', steps), await train('cuda', steps)];
    expect(cpu.losses.length).toBe(steps);
    for (const [i, loss] of cuda.losses.entries()) expect(Math.abs(loss - cpu.losses[i]!)).toBeLessThan(1e-4);
    cuda.params.forEach((values, i) => {
      const worst = values.reduce((most, x, k) => Math.max(most, Math.abs(x - cpu.params[i]![k]!)), 0);
      expect(worst).toBeLessThan(1e-4);
    });
  });

  test('the same steps give the same bits', { timeout: 300_000 }, async () => {
    expect(await train('cuda', 1)).toEqual(await train('cuda', 1));
  });

  test('a target out of range is reported at the next wait, once', async () => {
    const logits = randn([4, 3], { device: 'cuda', generator: new Generator(1) });
    const target = tensor([0, 2, 3, 1], { dtype: 'i64', device: 'cuda' });
    const bad = () => tidy(() => nn.functional.crossEntropy(logits, target).keep());
    await expect(bad().item()).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'cross_entropy: target 3 at position 2 is out of range for 3 classes',
    });
    expect(() => bad().itemSync()).toThrow('cross_entropy: target 3 at position 2 is out of range for 3 classes');
    expect(await logits.data()).toHaveLength(12);
  });

  test('an element that is no chance is reported', async () => {
    const chances = tensor([0.5, 1, 1.5, 0], { device: 'cuda' });
    await expect(bernoulli(chances).data()).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'bernoulli: chances must be in [0, 1] but one is 1.5',
    });
  });
});
