// Wrong input never ends the process: every entry of the addon and the public functions under misuse. The addon's part
// runs in a child process (programs/misuse_addon.mjs), where a crash is a result like any other.
import { constants } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { add, device, io, memory, permute, reshape, setNumThreads, sort, type Tensor, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';
import { runProgram } from './support/child.ts';

const program = fileURLToPath(new URL('programs/misuse_addon.mjs', import.meta.url));

interface Findings {
  calls: number;
  thrown: number;
  entries: string[];
  faults: string[];
}

function run(...args: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    timeout: 50_000,
    maxBuffer: 1 << 30,
  });
  return { ended: signal ?? status, stdout, stderr };
}

function findings(...args: string[]): Findings {
  const { ended, stdout, stderr } = run(...args);
  if (ended !== 0 && args[0] === 'fuzz') {
    // The last command of a second run, with each one waited for, is the one that did it.
    const last = run(...args, 'trace')
      .stdout.trimEnd()
      .split('\n')
      .at(-1);
    expect.fail(`the process ended with ${ended} after ${last}\n${stderr}`);
  }
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  const found = JSON.parse(stdout) as Findings;
  expect(found.faults).toEqual([]);
  return found;
}

describe('the addon', () => {
  test('answers every value in every place with a result or a typed error', () => {
    const found = findings('catalogue');
    expect(found.entries).toEqual(expect.arrayContaining(['run', 'upload', 'release', 'describe', 'read', 'readSync']));
    expect(found.thrown).toBeGreaterThan(found.calls / 2);
  });

  test.each([1, 2, 3])('survives random commands, seed %i', (seed) => {
    const found = findings('fuzz', String(seed), '6000');
    // Neither all refused, which would test only the first check, nor all accepted.
    expect(found.thrown / found.calls).toBeGreaterThan(0.1);
    expect(found.thrown / found.calls).toBeLessThan(0.9);
  });
});

describe('the public functions', () => {
  test('answer every value in every place with a result or a typed error', async () => {
    const { ended, stdout, stderr } = await runProgram('misuse_api.mjs');
    expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
    const found = JSON.parse(stdout) as Findings;
    expect(found.faults).toEqual([]);
    expect(found.thrown).toBeGreaterThan(found.calls / 2);
  });

  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const disposed = tensor([1, 2]);
  disposed.dispose();
  const notATensor = 'x' as unknown as Tensor;
  test.each<[string, () => unknown, string, string]>([
    ['a disposed input', () => add(x, disposed), 'ERR_DISPOSED', 'add: the tensor of shape [2] was disposed'],
    ['a disposed tensor', () => disposed.dataSync(), 'ERR_DISPOSED', 'dataSync: the tensor of shape [2] was disposed'],
    ['no tensor', () => add(x, notATensor), 'ERR_ARGUMENT', 'add: expects a tensor or a number but got'],
    ['an absent input', () => add(x, null as never), 'ERR_ARGUMENT', 'add: expects a tensor or a number but got'],
    ['a negative size', () => zeros([2, -1]), 'ERR_SHAPE', 'full: dimension 1 of shape [2, -1] is negative'],
    ['a fraction', () => zeros([0.5]), 'ERR_ARGUMENT', 'full: shape must be a list of whole numbers but is [0.5]'],
    ['no number', () => zeros([Number.NaN]), 'ERR_ARGUMENT', 'but is [NaN]'],
    ['a huge size', () => zeros([2 ** 30, 2 ** 30]), 'ERR_SHAPE', 'has more than 2^53 elements'],
    ['more than the memory', () => zeros([2 ** 50]), 'ERR_OOM', 'bytes asked for, the limit is'],
    ['too many dimensions', () => zeros(Array(9).fill(1)), 'ERR_ARGUMENT', 'has 9 entries, at most 8 are allowed'],
    ['an unknown dtype', () => zeros([2], { dtype: 'f23' as never }), 'ERR_DTYPE', 'unknown dtype f23'],
    ['an unknown device', () => zeros([2], { device: 'tpu' as never }), 'ERR_DEVICE', "unknown device 'tpu'"],
    ['other shapes', () => add(x, tensor([1, 2])), 'ERR_SHAPE', 'shapes [2, 3] and [2] do not broadcast'],
    ['another count', () => reshape(x, [4]), 'ERR_SHAPE', 'has 4 elements but the input [2, 3] has 6'],
    ['no threads', () => setNumThreads(0), 'ERR_ARGUMENT', 'threads must be a whole number from 1 to 1024 but is 0'],
  ])('%s', (_, misuse, code, text) => {
    expect(misuse).toThrow(
      expect.objectContaining({ name: 'TilegradError', code, message: expect.stringContaining(text) }),
    );
  });

  test('a list whose reading disposes the input', () => {
    const victim = tensor([1, 2, 3, 4]);
    const shape = Object.defineProperty([0, 2], 0, {
      get() {
        victim.dispose();
        return 2;
      },
    });
    expect(() => reshape(victim, shape)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });

  test('a list that changes before the gradient reads it', () => {
    const leaf = tensor([[[1, 2, 3]]], { requiresGrad: true });
    const dims = [2, 0, 1];
    const loss = permute(leaf, dims).sum();
    dims.fill(9);
    loss.backward();
    expect(leaf.grad?.tolistSync()).toEqual([[[1, 1, 1]]]);
  });

  test('a list whose reading runs another op', () => {
    const shape = Object.defineProperty([0, 2], 0, { get: () => add(x, 1).size(0) + 1 });
    expect(reshape(x, shape).shape).toEqual([3, 2]);
  });
});

test('a call for whose second output there is no memory gives back the first', () => {
  const place = device('cpu');
  const x = zeros([2 ** 18], { device: place });
  const { liveBytes, limitBytes } = memory(place);
  place.trimMemory();
  // Room for the values of 1 MiB, not for their places of 2 MiB.
  place.setMemoryLimit(liveBytes + 2.5 * 2 ** 20);
  try {
    expect(() => sort(x)).toThrow(expect.objectContaining({ code: 'ERR_OOM' }));
    expect(memory(place).liveBytes).toBe(liveBytes);
  } finally {
    place.setMemoryLimit(limitBytes);
    x.dispose();
  }
});

test('what no array of JavaScript holds is refused before memory is taken for it', async () => {
  const x = zeros([1], { dtype: 'u8' }).expand([2 ** 26, 2 ** 26]);
  const refused = { name: 'TilegradError', code: constants.MAX_LENGTH < x.numel ? 'ERR_UNSUPPORTED' : 'ERR_OOM' };
  expect(() => x.dataSync()).toThrow(expect.objectContaining(refused));
  await expect(x.data()).rejects.toMatchObject(refused);
  await expect(io.save(join(tmpdir(), 'never.safetensors'), { x })).rejects.toMatchObject(refused);
});
