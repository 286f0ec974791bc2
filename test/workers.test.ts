// Devices and pools belong to the process, tensors to a thread: threads train at once, end cleanly and leave nothing.
import { expect, test } from 'vitest';
import { runProgram } from './support/child.ts';

interface Losses {
  first: number;
  last: number;
  code?: number;
}

test('the main thread and two workers train at once, others are terminated in a kernel', async () => {
  const { ended, stdout, stderr } = await runProgram('workers.mjs', [], { nodeArgs: ['--expose-gc'] });
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  const { main, alongside, failed, workers, stopped, before, after } = JSON.parse(stdout);
  expect(main.last).toBeLessThan(main.first / 2);
  // The same seeds give the same bits, whoever else is computing.
  expect(workers).toEqual([0, 0].map((code): Losses => ({ code, ...main })));
  expect(alongside).toEqual(main);
  // An error goes to the thread whose work failed, and to no other.
  expect(failed).toBe(20);
  expect(stopped).toEqual([1, 1]);
  expect(after.liveBytes).toBe(before.liveBytes);
  expect(after.liveTensors).toBe(before.liveTensors);
});

test('a worker that is terminated in a read leaves its memory to the copy', async () => {
  // Memory of more than 64 KiB goes back to the system at once: who writes to it afterwards is seen, not only by sanitizers.
  const env = { MALLOC_MMAP_THRESHOLD_: '65536' };
  const { ended, stdout, stderr } = await runProgram('terminated_reads.mjs', [], { env });
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ codes: [1, 1, 1, 1, 1], liveBuffers: 0 });
});
