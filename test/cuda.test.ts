// The CUDA backend, on a GPU or on the emulated device (TILEGRAD_ADDON=build-emulated/Release/tilegrad.node).
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  add,
  bernoulli,
  cudaIsAvailable,
  device,
  devices,
  dropout,
  full,
  Generator,
  memory,
  mul,
  rand,
  randint,
  randn,
  randperm,
  relu,
  slice,
  sum,
  type Tensor,
  tensor,
  uniform,
} from '../lib/index.ts';
import { native } from '../lib/native.ts';
import { runProgram } from './support/child.ts';

const emulated = devices().some((d) => d.description.startsWith('emulated CUDA device'));
const absent = devices().find((d) => d.name === 'cuda')?.reason;
const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
const integers = ['i64', 'i32', 'i8', 'u8'] as const;

const values = (n: number, dtype: string) =>
  Array.from({ length: n }, (_, i) => {
    const x = Math.sin(i * 1.3) * 5;
    return dtype === 'u8' ? Math.abs(Math.round(x)) : dtype.startsWith('i') ? Math.round(x) : x;
  });

const numbers = async (x: Tensor) => Array.from((await x.data()) as ArrayLike<number | bigint>, Number);

async function expectSame(run: (where: 'cpu' | 'cuda') => Tensor[]) {
  const [onCpu, onCuda] = [run('cpu'), run('cuda')];
  for (const [i, x] of onCpu.entries()) expect(await numbers(onCuda[i]!)).toEqual(await numbers(x));
}

const ops = native.ops();
describe.skipIf(!ops.some((op) => op.cuda))('CUDA kernels (skipped in builds without nvcc)', () => {
  test('every op that computes has one', () => {
    expect(ops.filter((op) => op.cpu && !op.cuda).map((op) => op.name)).toEqual([]);
  });
});

describe.skipIf(!cudaIsAvailable())(`CUDA${absent ? ` (${absent})` : ''}`, () => {
  test.for([...floats, ...integers])('elementwise functions give the bits of the CPU: %s', async (dtype) => {
    for (const n of [1, 7, 64, 203]) {
      await expectSame((where) => {
        const a = tensor(values(n, dtype), { device: where, dtype });
        const b = tensor(values(n, dtype).reverse(), { device: where, dtype });
        const outer = mul(a.reshape([n, 1]), b);
        return [
          add(a, b),
          mul(a, 2),
          add(3, a),
          relu(a),
          outer,
          add(outer.transpose(0, 1), a),
          full([n], 2, { device: where, dtype }),
        ];
      });
    }
  });

  test.for([...floats, ...integers])('sums over any dimensions of any view: %s', async (dtype) => {
    for (const shape of [
      [3, 5, 7],
      [2, 300],
      [40, 3, 33],
      [1, 1],
      [0, 3],
      [3, 0],
    ]) {
      const count = shape.reduce((a, b) => a * b, 1);
      const small = Array.from({ length: count }, (_, i) => i % 3);
      await expectSame((where) => {
        const x = tensor(small, { device: where, dtype }).reshape(shape);
        const turned = x.transpose(0, 1);
        return [
          sum(x, [0]),
          sum(x, [-1]),
          sum(x),
          sum(turned, [0]),
          sum(turned, [1]),
          sum(
            slice(
              turned,
              turned.shape.map((_, i) => (i === 0 ? 1 : 0)),
              turned.shape,
            ),
            [0],
          ),
        ];
      });
    }
  });

  test.for(floats)('random numbers of a seed have the bits of the CPU: %s', async (dtype) => {
    for (const n of [1, 1000, 4099]) {
      await expectSame((where) => {
        const options = { dtype, device: where, generator: new Generator(42) };
        return [
          rand([n], options),
          randn([n], options),
          uniform([n], -3, 5, options),
          bernoulli(0.3, [n], options),
          randint(-9, 9, [n], { ...options, dtype: 'i64' }),
          randperm(n, { device: where, generator: options.generator }),
          dropout(full([n], 1, { dtype, device: where }), 0.4, { generator: options.generator }),
        ];
      });
    }
  });

  test('large uploads and reads come back whole, and the event loop goes on', async () => {
    const source = new Float32Array(5_000_000).map((_, i) => i);
    const x = tensor(source, { device: 'cuda' });
    const back = (await add(x, 1).data()) as Float32Array;
    expect([back.length, back[0], back[2_097_152], back[4_999_999]]).toEqual([5_000_000, 1, 2_097_153, 5_000_000]);
  });

  test('an allocation beyond the limit throws, and the next op works', async () => {
    const limit = memory('cuda').limitBytes;
    device('cuda').trimMemory();
    device('cuda').setMemoryLimit(memory('cuda').liveBytes + (1 << 20));
    expect(() => full([1 << 20], 1, { device: 'cuda' })).toThrow(expect.objectContaining({ code: 'ERR_OOM' }));
    expect(await sum(full([16], 2, { device: 'cuda' })).item()).toBe(32);
    device('cuda').setMemoryLimit(limit);
  });

  test('a device that is not there is named', () => {
    expect(() => tensor([1], { device: 'cuda:7' })).toThrow(/there is no cuda:7/);
  });
});

describe.skipIf(!emulated)('a machine without a usable driver', () => {
  const reason = (fault: string) => {
    const program = `const d = require(process.env.TILEGRAD_ADDON).devices(); console.log(JSON.stringify(d.slice(1)))`;
    const env = { ...process.env, TILEGRAD_EMULATOR_FAULT: fault };
    return JSON.parse(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' }));
  };
  test.for([
    ['no-driver', 'no NVIDIA driver'],
    ['old-driver', 'the NVIDIA driver supports CUDA 12.4 but CUDA 13 is needed; install a newer driver'],
    ['no-device', 'no NVIDIA GPU is visible'],
  ])('says so: %s', ([fault, words]) => {
    expect(reason(fault!)).toEqual([expect.objectContaining({ name: 'cuda', available: false, reason: words })]);
  });
});

describe.skipIf(!emulated)('a device in trouble', () => {
  const run = async (mode: string, env: Record<string, string>) => {
    const { ended, stdout, stderr } = await runProgram('cuda_trouble.mjs', [mode], { env });
    expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
    return JSON.parse(stdout);
  };

  test('that runs out of memory: ERR_OOM, and the next op works', async () => {
    const { code, message, before, after, sum } = await run('memory', { TILEGRAD_EMULATOR_MEMORY: String(64 << 20) });
    expect(code).toBe('ERR_OOM');
    // The device itself refuses: other programs hold most of it, so that the limit of the pool is far away.
    expect(message).toMatch(
      /^out of memory on cuda:0: 16777216 bytes asked for, \d+ bytes are held by \d+ live tensors/,
    );
    expect(before.limitBytes).toBe(2 ** 30);
    expect(after.liveBytes).toBe(before.liveBytes);
    expect(sum).toBe(4096);
  });

  test('whose kernel fails: ERR_CUDA at the wait, the CPU goes on, the process ends as usual', async () => {
    const { awaited, later, cpu } = await run('kernel', { TILEGRAD_EMULATOR_FAILING_KERNEL: '3' });
    expect(awaited).toEqual({
      code: 'ERR_CUDA',
      message: expect.stringMatching(/^\w+ or an op before it: an illegal memory access was encountered/),
    });
    expect(later.code).toBe('ERR_CUDA');
    expect(cpu).toEqual([2, 4]);
  });

  test('with TILEGRAD_SYNC=1 the error comes from the call that failed', async () => {
    const env = { TILEGRAD_EMULATOR_FAILING_KERNEL: '3', TILEGRAD_SYNC: '1' };
    const { thrown } = await run('kernel', env);
    expect(thrown).toEqual({
      code: 'ERR_CUDA',
      message: expect.stringMatching(/^mul or an op before it: an illegal memory access/),
    });
  });
});
