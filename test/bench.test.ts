import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaIsAvailable, devices } from 'tilegrad';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ['scripts/program.mjs', 'bench/index', ...args], { cwd: root, encoding: 'utf8' });

test('bench writes the machine and the rows that match', { timeout: 60_000 }, () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tilegrad-bench-')), 'bench.json');
  const options = [
    '--filter',
    '64x64 64x64 f32$',
    '--rounds',
    '1',
    '--seconds',
    '0.01',
    '--threads',
    '1',
    '--no-torch',
  ];
  const { status, stdout, stderr } = bench('matmul', ...options, '--json', file);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('64x64 64x64 f32');
  const { machine, rows } = JSON.parse(readFileSync(file, 'utf8'));
  expect(machine.floors[0]).toMatchObject({ threads: 1, flops: expect.any(Number), bytes: expect.any(Number) });
  expect(rows.map((row: { name: string }) => row.name)).toEqual(['64x64 64x64 f32', '64 x 64x64 64x64 f32']);
  for (const row of rows) {
    expect(row.ours.median).toBeGreaterThan(0);
    expect(row.ours.min).toBeLessThanOrEqual(row.ours.median);
    // How near the peak comes depends on the machine's other work; that the figures follow from one another does not.
    const matrices = row.name.startsWith('64 x') ? 64 : 1;
    expect(row.gflops * row.ours.median * 1e6).toBeCloseTo(matrices * 2 * 64 ** 3, 1);
    const shares = [row.gflops / row.peak.flops, row.gbytes / row.peak.bytes].map((share) => 1e11 * share);
    expect(row.percentOfPeak).toBeCloseTo(Math.max(...shares), 6);
    expect(row.torch).toBeNull();
  }
});

test('bench names what it does not know', { timeout: 60_000 }, () => {
  const { status, stderr } = bench('matmull');
  expect(stderr).toContain("bench: there is no suite 'matmull'; there are ");
  expect(status).toBe(1);
});

const peers = (...args: string[]) =>
  spawnSync(process.execPath, ['scripts/program.mjs', 'bench/comparison/index', ...args], {
    cwd: root,
    encoding: 'utf8',
  });

test('bench:peers writes its table as JSON', { timeout: 60_000 }, () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tilegrad-bench-')), 'peers.json');
  const options = ['--filter', '^softmax .* forward', '--rounds', '1', '--seconds', '0.01', '--threads', '1'];
  const { status, stdout, stderr } = peers(...options, '--peers', 'none', '--json', file);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('softmax 1024x1000 forward');
  const table = JSON.parse(readFileSync(file, 'utf8'));
  expect(table).toEqual([
    {
      case: 'softmax 1024x1000 forward',
      threads: 1,
      ours_ms: expect.any(Number),
      peers: {},
      best_peer: null,
      ratio: null,
      percent_of_peak: expect.any(Number),
    },
  ]);
});

test('bench:peers names its cases, and what it does not know', { timeout: 60_000 }, () => {
  const { status, stdout } = peers('--list');
  expect(status).toBe(0);
  expect(new Set(stdout.trim().split('\n')).size).toBe(56);
  const unknown = peers('--filter', 'matmull');
  expect(unknown.stderr).toBe('bench:peers: no case matches /matmull/i\n');
  expect(unknown.status).toBe(1);
});

test.skipIf(cudaIsAvailable())('bench devices skips in words where there is no GPU', { timeout: 60_000 }, () => {
  const { status, stdout } = bench('devices');
  expect(stdout).toContain(`bench devices: skipped: ${devices().find(({ name }) => name === 'cuda')?.reason}`);
  expect(status).toBe(0);
});
