// A model through a file and back.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io, nn, type Tensor, tensor } from 'tilegrad';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tilegrad-nn-'));
});
afterAll(() => rm(folder, { recursive: true }));

const make = (): nn.Sequential =>
  new nn.Sequential({ conv: new nn.Conv2d(1, 2, 3), flat: new nn.Flatten(), out: new nn.Linear(8, 3) });

test('a state dict goes through a safetensors file unchanged', async () => {
  const file = join(folder, 'model.safetensors');
  const [model, other] = [make(), make()];
  await io.save(file, model.stateDict());
  const state = await io.load(file);
  expect(Object.keys(state).sort()).toEqual(['conv.bias', 'conv.weight', 'out.bias', 'out.weight']);
  other.loadStateDict(state);
  const x = tensor(
    Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)),
    { shape: [1, 1, 4, 4] },
  );
  expect(await other.forward(x).tolist()).toEqual(await model.forward(x).tolist());
  const { 'conv.bias': _, ...partial } = state;
  expect(() => other.loadStateDict(partial as Record<string, Tensor>)).toThrow(
    "missing in the state dict: 'conv.bias'",
  );
});
