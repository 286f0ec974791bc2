// However a program ends, and whatever its kernels are doing: the right exit code, and nothing on stderr but its own.
import { describe, expect, test } from 'vitest';
import { runProgram } from './support/child.ts';

const codes = { return: 0, exit: 3, throw: 1, reject: 1, terminate: 1, kill: 'SIGTERM' };
type How = keyof typeof codes;
const works = ['idle', 'busy', 'awaited'];

const onMain = (['return', 'exit', 'throw', 'reject', 'kill'] as How[]).flatMap((how) =>
  works.map((work) => [how, work] as const),
);
// Signals come to the process, never to a worker.
const onWorker = (['return', 'exit', 'throw', 'reject', 'terminate'] as How[]).flatMap((how) =>
  works.map((work) => [how, work] as const),
);

describe('the main thread ends by', () => {
  test.concurrent.each(onMain)('%s with kernels %s', async (how, work) => {
    const { ended, stdout, stderr } = await runProgram('exit.mjs', [how, 'main', work]);
    expect({ ended, stdout }).toEqual({ ended: codes[how], stdout: '' });
    if (how !== 'throw' && how !== 'reject') expect(stderr).toBe('');
    else expect(stderr).toMatch(/^file:.*\n.*\n *\^\n\nError: thrown on purpose\n( {4}at .*\n)+\nNode\.js v[\d.]+\n$/);
  });
});

describe('a worker ends by', () => {
  test.concurrent.each(onWorker)('%s with kernels %s', async (how, work) => {
    expect(await runProgram('exit.mjs', [how, 'worker', work])).toEqual({ ended: codes[how], stdout: '', stderr: '' });
  });
});

describe('eight workers end by', () => {
  test.concurrent.each(onWorker.filter(([how, work]) => work === 'busy' && how !== 'exit' && how !== 'reject'))(
    '%s with kernels %s',
    async (how) => {
      const ending = await runProgram('exit.mjs', [how, 'workers', 'busy']);
      expect(ending).toEqual({ ended: codes[how], stdout: '', stderr: '' });
    },
  );
});
