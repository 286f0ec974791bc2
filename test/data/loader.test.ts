import { describe, expect, it } from 'vitest';
import { type BatchContext, type Dataset, TensorDataset } from '../../lib/data/dataset.ts';
import { DataLoader } from '../../lib/data/loader.ts';
import { getDefaultDevice, memory } from '../../lib/device.ts';
import { ones, stack } from '../../lib/ops/index.ts';
import { type Tensor, tensor } from '../../lib/tensor.ts';

/** Rows 0 to `length` - 1 whose input is [row, 10 row] and whose target is the row. */
function numbers(length: number) {
  const input = Float32Array.from({ length: 2 * length }, (_, i) => (i % 2 === 0 ? i / 2 : 10 * ((i - 1) / 2)));
  const target = BigInt64Array.from({ length }, (_, i) => BigInt(i));
  return new TensorDataset({ input: tensor(input, { shape: [length, 2] }), target: tensor(target) });
}

/** The targets of all batches of one epoch. */
async function targets(loader: DataLoader<{ target: Tensor }>): Promise<number[][]> {
  const seen: number[][] = [];
  for await (const { target } of loader) seen.push(Array.from((await target.data()) as BigInt64Array, Number));
  return seen;
}

describe('TensorDataset', () => {
  it('gives the same rows of every tensor', async () => {
    const { input, target } = numbers(5).batch(Int32Array.of(3, 0, 3));
    expect(await input.tolist()).toEqual([
      [3, 30],
      [0, 0],
      [3, 30],
    ]);
    expect(await target.tolist()).toEqual([3n, 0n, 3n]);
    expect(target.dtype).toBe('i64');
  });

  it('refuses tensors of different lengths', () => {
    const make = () => new TensorDataset({ input: ones([3, 2]), target: ones([4]) });
    expect(make).toThrow('TensorDataset: tensors need one first dimension, but target has shape [4], input has [3, 2]');
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => new TensorDataset({ x: tensor(1) })).toThrow('x has shape []');
    expect(() => new TensorDataset({})).toThrow('needs at least one tensor');
  });
});

describe('DataLoader', () => {
  it('goes through the rows in order, the last batch smaller', async () => {
    const loader = new DataLoader(numbers(7), { batchSize: 3 });
    expect(loader.length).toBe(3);
    expect(await targets(loader)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  });

  it('leaves out the smaller batch with dropLast', async () => {
    const loader = new DataLoader(numbers(7), { batchSize: 3, dropLast: true });
    expect(loader.length).toBe(2);
    expect(await targets(loader)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(await targets(new DataLoader(numbers(2), { batchSize: 3, dropLast: true }))).toEqual([]);
  });

  it('has batches of one by default and none of an empty dataset', async () => {
    expect(await targets(new DataLoader(numbers(2)))).toEqual([[0], [1]]);
    expect(await targets(new DataLoader(numbers(0), { batchSize: 4 }))).toEqual([]);
  });

  it('shuffles each epoch in another way, each in the same way for one seed', async () => {
    const make = (seed: number, prefetch = 2) =>
      new DataLoader(numbers(50), { batchSize: 8, shuffle: true, seed, prefetch });
    const loader = make(5);
    const epochs = [await targets(loader), await targets(loader)];
    expect(epochs[0]?.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(epochs[0]).not.toEqual(epochs[1]);
    const again = make(5, 0);
    expect([await targets(again), await targets(again)]).toEqual(epochs);
    const resumed = make(5);
    resumed.epoch = 1;
    expect(await targets(resumed)).toEqual(epochs[1]);
    expect(await targets(make(6))).not.toEqual(epochs[0]);
    const [one, other] = [
      new DataLoader(numbers(50), { shuffle: true }),
      new DataLoader(numbers(50), { shuffle: true }),
    ];
    expect(one.order(0)).not.toEqual(other.order(0));
    expect(one.order(0)).toEqual(new DataLoader(numbers(50), { shuffle: true, seed: one.seed }).order(0));
  });

  it('reads samples one by one, also asynchronous ones, and stacks them', async () => {
    const dataset = {
      length: 3,
      get: async (row: number) => ({
        input: tensor([row, row + 0.5]),
        target: row,
        name: `row ${row}`,
        pair: [row > 0, 0.5],
      }),
    };
    const batches: Record<string, unknown>[] = [];
    for await (const batch of new DataLoader<Record<string, unknown>>(dataset, { batchSize: 2 })) batches.push(batch);
    const [first, second] = batches as [Record<string, unknown>, Record<string, unknown>];
    expect(await (first.input as Tensor).tolist()).toEqual([
      [0, 0.5],
      [1, 1.5],
    ]);
    expect((first.target as Tensor).dtype).toBe('i64');
    expect(await (first.target as Tensor).tolist()).toEqual([0n, 1n]);
    expect(first.name).toEqual(['row 0', 'row 1']);
    const [flags, halves] = first.pair as [Tensor, Tensor];
    expect(await flags.tolist()).toEqual([false, true]);
    expect([halves.dtype, await halves.tolist()]).toEqual(['f32', [0.5, 0.5]]);
    expect((second.input as Tensor).shape).toEqual([1, 2]);
  });

  it('assembles ahead, but not more than asked', async () => {
    for (const prefetch of [0, 1, 3]) {
      let assembled = 0;
      const dataset: Dataset<number> = { length: 10, batch: () => ++assembled };
      let used = 0;
      for await (const _ of new DataLoader(dataset, { prefetch })) {
        used += 1;
        expect(assembled).toBe(Math.min(10, used + prefetch));
      }
      expect(used).toBe(10);
    }
  });

  it('gives the event loop a turn per batch', async () => {
    let turns = 0;
    let running = true;
    const count = () => {
      turns += 1;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    for await (const _ of new DataLoader(numbers(100)));
    running = false;
    expect(turns).toBeGreaterThanOrEqual(100);
  });

  it('frees batches that an early end leaves unused, and works again', async () => {
    const loader = new DataLoader(numbers(100), { batchSize: 10, prefetch: 4 });
    const before = memory().liveTensors;
    for await (const { input, target } of loader) {
      input.dispose();
      target.dispose();
      break;
    }
    await new Promise((done) => setTimeout(done, 10));
    expect(memory().liveTensors).toBe(before);
    expect((await targets(loader)).length).toBe(10);
  });

  it('reports the error of a batch when its turn comes, synchronous or not', async () => {
    const failing = (fail: () => never | Promise<never>): Dataset<number> => ({
      length: 5,
      batch: (rows) => (rows[0] === 2 ? fail() : (rows[0] as number)),
    });
    for (const fail of [
      () => Promise.reject(new Error('row 2')),
      () => {
        throw new Error('row 2');
      },
    ]) {
      const seen: number[] = [];
      const loop = async () => {
        for await (const batch of new DataLoader(failing(fail), { prefetch: 4 })) seen.push(batch);
      };
      await expect(loop()).rejects.toThrow('row 2');
      expect(seen).toEqual([0, 1]);
    }
  });

  it('passes seed and epoch to the dataset', async () => {
    const contexts: BatchContext[] = [];
    const dataset: Dataset<number> = { length: 1, batch: (_rows, context) => contexts.push(context) };
    const loader = new DataLoader(dataset, { seed: 9 });
    for await (const _ of loader);
    for await (const _ of loader);
    expect(contexts).toEqual([
      { seed: 9, epoch: 0 },
      { seed: 9, epoch: 1 },
    ]);
  });

  it('keeps a tensor that the dataset holds itself', async () => {
    const held = ones([2]);
    const dataset: Dataset<Tensor> = { length: 20, batch: () => held };
    for await (const batch of new DataLoader(dataset, { device: getDefaultDevice() })) {
      expect(batch).toBe(held);
      break;
    }
    expect(held.isDisposed).toBe(false);
  });

  it('ends an epoch with all of its work done', async () => {
    let last: Tensor | undefined;
    for await (const { input } of new DataLoader(numbers(64), { batchSize: 4 })) last = stack([input, input]);
    expect(last?.shape).toEqual([2, 4, 2]);
    expect(((await last!.data()) as Float32Array)[0]).toBe(60);
  });

  it('refuses options that make no sense', () => {
    const make = (options: object) => () => new DataLoader(numbers(3), options);
    expect(make({ batchSize: 0 })).toThrow('DataLoader: batchSize is 0, expected a whole number from 1 up');
    expect(make({ batchSize: 2.5 })).toThrow('batchSize is 2.5');
    expect(make({ prefetch: -1 })).toThrow('prefetch is -1');
    expect(make({ seed: Number.NaN })).toThrow('seed is NaN');
    expect(make({ batchsize: 3 })).toThrow("unknown option 'batchsize', did you mean 'batchSize'?");
  });
});
