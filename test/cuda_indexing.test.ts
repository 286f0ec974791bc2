// Positions out of range are known on the device alone: the next wait rejects with the words of the CPU's kernels.
import {
  cudaIsAvailable,
  type DeviceName,
  gather,
  indexAdd,
  indexSelect,
  oneHot,
  scatter,
  scatterAdd,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { describe, expect, test } from 'vitest';

const calls: Record<string, (x: Tensor, index: Tensor) => Tensor> = {
  index_select: (x, index) => indexSelect(x, 0, index),
  index_add: (x, index) => indexAdd(x, 0, index, zeros([3], { device: x.device })),
  gather: (x, index) => gather(x, 0, index),
  scatter: (x, index) => scatter(x, 0, index, 1),
  scatter_add: (x, index) => scatterAdd(x, 0, index, zeros([3], { device: x.device })),
  one_hot: (x, index) => oneHot(index, x.numel),
};

describe.skipIf(!cudaIsAvailable())('positions out of range on CUDA', () => {
  test.for(Object.entries(calls))('%s', async ([, call]) => {
    for (const [values, dtype] of [
      [[0, 4, 1], 'i64'],
      [[0, 1, -1], 'i32'],
    ] as const) {
      const run = (device: DeviceName) => call(zeros([4], { device }), tensor(values, { dtype, device })).data();
      const expected = await run('cpu').catch((error: Error) => error.message);
      expect(expected).toContain('is out of range for');
      await expect(run('cuda')).rejects.toThrow(String(expected));
      // The stream goes on, and a second fault is told as well.
      await expect(run('cuda')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
      expect(Array.from((await zeros([2], { device: 'cuda' }).data()) as Float32Array)).toEqual([0, 0]);
    }
  });
});
