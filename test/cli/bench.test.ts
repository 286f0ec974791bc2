// `tilegrad bench`: the tables, and the size from which on a GPU is faster.
import { expect, test } from 'vitest';
import { cudaIsAvailable } from 'tilegrad';
import { crossover } from '../../lib/cli/bench.ts';
import { interrupt, run } from './program.ts';

const quick = ['--seconds', '0.01', '--threads', '1'];

test('the table of operations, and in words why there is no other', () => {
  const { status, stdout, stderr } = run('bench', '--filter', '^matmul (64|256)x', ...quick);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(
    /^tilegrad .*\nmeasured peak: \d+ GFLOP\/s f32, [\d.]+ GB\/s\n\noperation +ms +± +GFLOP\/s +GB\/s +of peak\n/,
  );
  expect(stdout.match(/^matmul \d+x\d+ +[\d.]+ +\d+ % +[\d.]+ +[\d.]+ +\d+ %$/gm)).toHaveLength(2);
  if (!cudaIsAvailable()) expect(stdout).toMatch(/^no comparison of CPU and GPU: \w.*$/m);
  expect(stdout).not.toContain('\x1b');
});

test('--json gives figures that follow from one another', () => {
  const { status, stdout } = run('bench', 'ops', '--filter', '^matmul 64x', '--json', ...quick);
  expect(status).toBe(0);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ threads: 1, devices: [], noDevices: '', interrupted: false });
  const [row] = result.ops;
  expect(row.name).toBe('matmul 64x64');
  expect(row.gflops * row.ms * 1e6).toBeCloseTo(2 * 64 ** 3, 1);
  const share = Math.max((row.gflops * 1e9) / result.peak.flops, (row.gbytes * 1e9) / result.peak.bytes);
  expect(row.percentOfPeak).toBeCloseTo(100 * share, 6);
});

test('a filter that nothing matches is a wrong call', () => {
  const { status, stderr } = run('bench', 'ops', '--filter', 'nothing', ...quick);
  expect(status).toBe(2);
  expect(stderr).toBe('tilegrad: no row matches --filter nothing; see tilegrad bench --help\n');
});

test('Ctrl-C shows what was timed so far', async () => {
  const { status, stdout, stderr } = await interrupt(['bench', '--seconds', '20', '--threads', '1'], /measured peak/);
  expect({ status, stderr }).toEqual({ status: 130, stderr: '' });
  expect(stdout).toMatch(/^lenet5 training step, batch 64 /m);
});

test.each([
  { cpu: [1, 2, 3], gpu: [2, 1, 1], size: 20 },
  { cpu: [3, 3, 3], gpu: [2, 1, 1], size: 10 },
  { cpu: [3, 1, 3], gpu: [2, 2, 2], size: 30 },
  { cpu: [1, 1, 1], gpu: [2, 2, 1], size: null },
])('the crossover of $cpu and $gpu is at $size', ({ cpu, gpu, size }) => {
  const sizes = cpu.map((cpuMs, i) => ({ size: 10 * (i + 1), name: `${i}`, cpuMs, deviceMs: gpu[i] as number }));
  expect(crossover(sizes)).toBe(size);
});
