// One update op over more parameters than fit into the small table of kernel arguments.
import { describe, expect, test } from 'vitest';
import { cudaIsAvailable, type DeviceName, optim, tensor } from '../lib/index.ts';

async function trained(device: DeviceName, count: number): Promise<number[][]> {
  const numbers = (n: number, shift: number) =>
    Float32Array.from({ length: n }, (_, i) => ((i * 7 + shift) % 16) / 8 - 1);
  const parameters = Array.from({ length: count }, (_, p) =>
    tensor(numbers(1 + ((p * 5) % 23), p), { device }).requiresGrad_(),
  );
  const optimizer = new optim.SGD(parameters, { lr: 0.5, momentum: 0.5 });
  for (let step = 0; step < 2; step++) {
    optimizer.zeroGrad();
    for (const p of parameters) p.square().sum().backward();
    optimizer.step();
  }
  return Promise.all(parameters.map(async (p) => Array.from((await p.data()) as Float32Array)));
}

describe.skipIf(!cudaIsAvailable())('updates on CUDA', () => {
  test.for([64, 65, 150])('of %i parameters give the numbers of the CPU', async (count) => {
    expect(await trained('cuda', count)).toEqual(await trained('cpu', count));
  });
});
