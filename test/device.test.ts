// Where tensors are made, and what the addon needs of the machine that it is loaded on.
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import * as t from '../lib/index.ts';
import { addonFile } from '../lib/native.ts';
import { runFile } from './support/child.ts';

describe('the default device', () => {
  const before = t.getDefaultDevice();
  afterEach(() => t.setDefaultDevice(before));

  const makers: [string, () => t.Tensor][] = [
    ['tensor', () => t.tensor([1])],
    ['full', () => t.full([2], 1)],
    ['randn', () => t.randn([2])],
    ['arange', () => t.arange(3)],
    ['a parameter', () => new t.nn.Linear(2, 2).weight],
  ];
  test.each(makers)('is where %s goes, unless another is named', (_, make) => {
    expect(make().device).toBe(before);
  });

  test.skipIf(!t.cudaIsAvailable())('can be a GPU', () => {
    t.setDefaultDevice('cuda');
    for (const [, make] of makers) expect(make().device.name).toBe('cuda:0');
    expect(String(t.tensor([1]))).toBe('tensor([1.])');
    expect(String(t.tensor([1], { device: 'cpu' }))).toBe('tensor([1.], device=cpu)');
  });

  test('must be there', () => {
    const absent = expect.objectContaining({ code: 'ERR_DEVICE' });
    expect(() => t.setDefaultDevice('tpu' as never)).toThrow(absent);
    expect(() => t.setDefaultDevice('cuda:15')).toThrow(absent);
    expect(t.getDefaultDevice()).toBe(before);
  });

  test('is named by TILEGRAD_DEVICE', async () => {
    const run = (name: string) =>
      runFile('-e', ["console.log(require('tilegrad').getDefaultDevice().name)"], { env: { TILEGRAD_DEVICE: name } });
    expect(await run('')).toMatchObject({ ended: 0, stdout: 'cpu\n' });
    expect(await run('cpu')).toMatchObject({ ended: 0, stdout: 'cpu\n' });
    const { ended, stderr } = await run('gpu');
    expect(ended).toBe(1);
    expect(stderr).toContain("unknown device 'gpu'");
  });
});

/** Names of the libraries that the system's loader must find. */
function neededLibraries(): string[] {
  const { stdout } = spawnSync('readelf', ['-d', addonFile], { encoding: 'utf8' });
  return Array.from(stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g), ([, name]) => name as string);
}
const readelf = process.platform === 'linux' && spawnSync('readelf', ['--version']).status === 0;

describe('the addon', () => {
  test.skipIf(!readelf)('needs the C and C++ libraries of the system, and no library of CUDA', () => {
    const needed = neededLibraries();
    expect(needed.length).toBeGreaterThan(0);
    const system = /^(libstdc\+\+|libgcc_s|libm|libc|libdl|librt|libpthread|ld-linux.*|libasan|libubsan)\.so\.\d+$/;
    expect(needed.filter((name) => !system.test(name))).toEqual([]);
  });

  // Without nvcc there is no CUDA in it; with it, and without a driver, the reason must be the driver.
  test('was loaded on a machine without a driver or a GPU, or has found one', () => {
    const cuda = t.devices().filter(({ name }) => name.startsWith('cuda'));
    expect(cuda.length).toBeGreaterThan(0);
    for (const { available, reason } of cuda) {
      expect(available).toBe(reason === '');
      if (!available) expect(reason).toMatch(/driver|GPU|compute capability|no CUDA code/);
    }
  });
});
