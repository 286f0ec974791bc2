// Wrong input never ends the process: every entry of the addon and the public functions under misuse. The addon's part
// runs in a child process (programs/misuse_addon.mjs), where a crash is a result like any other.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

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
