// What scripts/gpu-check.sh says where there is no GPU, how it compares a GPU with the twins, and the report of bench/gpu.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { crossover } from '../bench/devices.ts';
import { ceilingsOf, floorOf, markdown, percentOf } from '../bench/gpu/report.ts';
import type { GpuResult } from '../bench/gpu/timing.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (program: string, ...args: string[]) => spawnSync(program, args, { cwd: root, encoding: 'utf8' });

describe.skipIf(process.platform === 'win32')('scripts/gpu-check.sh', () => {
  test('names the steps that it knows', () => {
    const { status, stdout } = run('scripts/gpu-check.sh', '--emulated', '--only', 'biuld');
    expect(stdout).toContain("there is no step 'biuld'; there are build, suite, conformance");
    expect(status).toBe(2);
  });

  test.skipIf(run('nvidia-smi').status === 0)('says that there is no GPU, and what runs without one', () => {
    const { status, stdout } = run('scripts/gpu-check.sh');
    expect(stdout).toContain('nvidia-smi names no GPU; --emulated runs the steps without one');
    expect(status).toBe(1);
  });
});

describe('the comparison of a GPU with the twins', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-conformance-'));
  const one = '3f800000';
  const compare = (gpu: string, twins: string, ...options: string[]) => {
    writeFileSync(join(folder, 'gpu'), gpu);
    writeFileSync(join(folder, 'twins'), twins);
    const files = [join(folder, 'gpu'), join(folder, 'twins')];
    const { status, stdout } = run(process.execPath, 'scripts/compare-conformance.mjs', ...files, ...options);
    return { status, lines: stdout.trimEnd().split('\n') };
  };

  test('passes what agrees', () => {
    const both = `# a remark\nldmatrix exact 1 2\nmma float ${one} 0\n`;
    expect(compare(both, both)).toMatchObject({ status: 0, lines: expect.arrayContaining(['2 passed, 0 failed']) });
    // The last bits of a sum of floats.
    expect(compare('mma float 3f800001', `mma float ${one}`).status).toBe(0);
  });

  test.each([
    ['a word', 'a exact 1 3', 'a exact 1 2', 'FAIL a: word 1 is 0x3, the twin gives 0x2'],
    ['a float', `m float ${one} 3f810000`, `m float ${one} ${one}`, 'FAIL m: value 1 is 1.0078125, the twin gives 1'],
    ['a NaN', 'm float 7fc00000', `m float ${one}`, 'FAIL m: value 0 is NaN, the twin gives 1'],
    ['a case that is missing', 'a exact 1', 'a exact 1\nb exact 1', 'FAIL b: was not run'],
    ['a case that is unknown', 'a exact 1\nb exact 1', 'a exact 1', 'FAIL b: the twins do not know it'],
  ])('fails %s', (_, gpu, twins, words) => {
    const { status, lines } = compare(gpu, twins);
    expect(lines.join('\n')).toContain(words);
    expect(status).toBe(1);
  });

  test('leaves out what an older GPU does not have', () => {
    expect(compare('a exact 1', 'a exact 1\nb exact 1', '--partial').status).toBe(0);
    expect(compare('', 'a exact 1', '--partial').status).toBe(1);
  });
});

describe('the report', () => {
  const timing = (median: number) => ({ median, min: median, spread: 0, samples: 5 });
  const row = (part: Partial<GpuResult>): GpuResult => ({
    ...{ group: 'memory', name: 'copy', precision: 'f32', flops: 0, bytes: 0, ours: null, torch: null, ratio: null },
    remarks: [],
    ...part,
  });
  const results = [
    row({ name: 'copy 1x1 f32', bytes: 3e9, ours: timing(2), torch: timing(1) }),
    row({ name: 'relu 1x1 f32', bytes: 3e9, ours: timing(1.25), torch: timing(1), ratio: 0.8 }),
    row({
      group: 'matmul',
      name: 'large bf16',
      precision: 'bf16',
      flops: 8e11,
      bytes: 1e6,
      ours: timing(1),
      torch: timing(2),
    }),
    row({ group: 'matmul', name: 'small bf16', precision: 'bf16', flops: 2e11, bytes: 1e6, ours: timing(0.5) }),
    row({ group: 'conv2d', name: 'refused', precision: 'f16', flops: 1, bytes: 3e9, remarks: ['ours: no kernel'] }),
    row({ group: 'train', name: 'LeNet', flops: 1e6, ours: timing(0.1), torch: timing(0.4), ratio: 4 }),
  ];
  const ceilings = ceilingsOf(results);

  test('takes the fastest copy and the fastest products as ceilings, whoever made them', () => {
    expect(ceilings).toEqual({ copy: 3e12, products: { bf16: 8e14 } });
  });

  test('gives the part of the ceiling that bounds a row', () => {
    expect(results.map((result) => percentOf(result, ceilings))).toEqual([50, 80, 100, 50, null, null]);
    expect(floorOf(results[4]!, ceilings)).toBe(1);
  });

  test('prints a table per group, and what could not be run', () => {
    const text = markdown({
      ...{ gpu: 'NVIDIA Test', emulated: true, date: '2026-01-01', command: 'node bench', ceilings },
      versions: { tilegrad: '0', node: '20', torch: '2', driver: null },
      rows: results.map((result) => ({ ...result, percentOfCeiling: percentOf(result, ceilings) })),
    });
    expect(text).toContain('Emulated: these figures say nothing about a GPU');
    expect(text).toContain('copy 3000 GB/s read and written; products in 10^12 operations per second: bf16 800.');
    expect(text).toContain('| large bf16 | 1 | 800 T/s | 100 % | 2 | 400 T/s |  |');
    expect(text).toContain('| relu 1x1 f32 | 1.25 | 2400 GB/s | 80 % | 1 | 3000 GB/s | 0.8 |');
    expect(text).toContain('- refused: ours: no kernel');
    expect(text).toContain('| LeNet | 0.1 | 10000 steps/s |  | 0.4 | 2500 steps/s | 4 |');
  });
});

test('the GPU wins from the first size after which it never loses again', () => {
  const sizes = [1, 2, 4, 8];
  expect(crossover(sizes, [1, 2, 3, 4], [9, 1, 2, 3])).toBe(2);
  expect(crossover(sizes, [1, 2, 3, 4], [0, 3, 2, 3])).toBe(4);
  expect(crossover(sizes, [1, 2, 3, 4], [0, 1, 2, 4])).toBeNull();
  expect(crossover(sizes, [1, 2, 3, 4], [0, 1, 2, 3])).toBe(1);
});
