// A thread that waits for its results takes part in computing them.
import { expect, test } from 'vitest';
import { runProgram, unmeasurable } from './support/child.ts';

test('threads that wait get the bits of one thread and their own errors, and idle threads sleep', async () => {
  const { ended, stdout, stderr } = await runProgram('waiting.mjs');
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  const { wrong, idle } = JSON.parse(stdout) as { wrong: number; idle: number };
  expect(wrong).toBe(0);
  // Milliseconds of an idle second: anything that spins takes hundreds.
  if (!unmeasurable) expect(idle).toBeLessThan(100);
});
