import { setImmediate as macrotask } from 'node:timers/promises';
import { type Device, type DeviceName, device as deviceOf } from '../device.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { adopt, collect, type Disposable } from '../scope.ts';
import { collate, moveTensors, tensorsOf } from './collate.ts';
import { permutation } from './counter_random.ts';
import type { BatchContext, Dataset, SampleDataset } from './dataset.ts';

/** How a `DataLoader` forms batches. */
export interface DataLoaderOptions {
  /** Rows per batch. Default 1. */
  readonly batchSize?: number | undefined;
  /** A fresh random order each epoch. Default false: the order of the dataset. */
  readonly shuffle?: boolean | undefined;
  /** Fixes the orders and the random transforms of all epochs. Default: a random one, to be read at `loader.seed`. */
  readonly seed?: number | undefined;
  /** Leave out the last batch where it is smaller than the others. Default false. */
  readonly dropLast?: boolean | undefined;
  /** How many batches are assembled ahead of the one in use. Default 2. */
  readonly prefetch?: number | undefined;
  /** Where the batches' tensors are to be. Default: where the dataset makes them. */
  readonly device?: Device | DeviceName | undefined;
}

const optionNames = ['batchSize', 'shuffle', 'seed', 'dropLast', 'prefetch', 'device'];
// With fewer the device could run dry between two turns of the event loop; more only hold memory.
const batchesInFlight = 4;

/**
 * Batches of a dataset, in an order that seed and epoch fix: `for await (const { input, target } of loader)`. Each
 * pass is one epoch. Batches are assembled off the JavaScript thread, ahead of their use. Every batch gives the event
 * loop a turn, so garbage collection can free what the loop dropped, and waits for the device where the loop runs more
 * than a few batches ahead of it; when the loop ends, all its work is done. As torch.utils.data.DataLoader.
 */
export class DataLoader<Batch> implements AsyncIterable<Batch> {
  readonly dataset: Dataset<Batch> | SampleDataset<unknown>;
  readonly batchSize: number;
  readonly seed: number;
  /** The number of the next pass, from 0. Set it to continue an interrupted training with the same orders. */
  epoch = 0;
  readonly #shuffle: boolean;
  readonly #dropLast: boolean;
  readonly #prefetch: number;
  readonly #device: Device | undefined;

  constructor(dataset: Dataset<Batch>, options?: DataLoaderOptions);
  constructor(dataset: SampleDataset<unknown>, options?: DataLoaderOptions);
  constructor(dataset: Dataset<Batch> | SampleDataset<unknown>, options: DataLoaderOptions = {}) {
    checkOptions('DataLoader', options, optionNames);
    const methods = dataset as Partial<Record<'batch' | 'get', unknown>> | null | undefined;
    if (typeof methods?.batch !== 'function' && typeof methods?.get !== 'function')
      throw new TilegradError(
        'ERR_ARGUMENT',
        'DataLoader: a dataset has `length` and `batch()` or `get()`; tensors become one by new TensorDataset({ ... })',
      );
    this.dataset = dataset;
    this.batchSize = checkWhole('batchSize', options.batchSize ?? 1, 1);
    this.seed = checkWhole('seed', options.seed ?? Math.floor(Math.random() * 2 ** 32), 0);
    this.#prefetch = checkWhole('prefetch', options.prefetch ?? 2, 0);
    this.#shuffle = options.shuffle ?? false;
    this.#dropLast = options.dropLast ?? false;
    this.#device = options.device === undefined ? undefined : deviceOf(options.device);
  }

  /** The number of batches in an epoch. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize;
    return this.#dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** The rows of an epoch in the order in which they come. */
  order(epoch: number): Int32Array {
    const { length } = this.dataset;
    return this.#shuffle ? permutation(length, this.seed, epoch) : Int32Array.from({ length }, (_, i) => i);
  }

  /** The batches of the next epoch. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const epoch = this.epoch;
    this.epoch += 1;
    return this.#iterate({ seed: this.seed, epoch });
  }

  async *#iterate(context: BatchContext): AsyncGenerator<Batch, void, undefined> {
    const order = this.order(context.epoch);
    const batches = this.length;
    const ahead: Promise<Assembled<Batch>>[] = [];
    const fences: Promise<void>[] = [];
    let next = 0;
    try {
      for (let current = 0; current < batches; current++) {
        for (; next < batches && next <= current + this.#prefetch; next++) {
          const work = this.#assemble(order.slice(next * this.batchSize, (next + 1) * this.batchSize), context);
          // A batch that fails while an earlier one is in use is reported when its turn comes.
          work.catch(() => undefined);
          ahead.push(work);
        }
        await macrotask();
        const { batch, made } = await (ahead[0] as Promise<Assembled<Batch>>);
        ahead.shift();
        made.forEach(adopt);
        yield batch;
        fences.push(this.#fence(batch));
        if (fences.length > batchesInFlight) await fences.shift();
      }
    } finally {
      for (const left of ahead) left.then(dispose).catch(() => undefined);
      // A failed op of the loop's work is reported here at the latest.
      await Promise.all(fences);
    }
  }

  /** Assembles a batch; `made` are the tensors that were made for it and that nobody else holds. */
  async #assemble(rows: Int32Array, context: BatchContext): Promise<Assembled<Batch>> {
    const { dataset } = this;
    if (!('batch' in dataset)) {
      const samples = await Promise.all(Array.from(rows, (row) => dataset.get(row, context)));
      return this.#place(() => collate(samples) as Batch);
    }
    const { result, made } = collect(() => dataset.batch(rows, context));
    if (!isPromise(result)) return this.#place(() => result, made);
    // While it waits for the disk other code runs; what it makes later is left to the garbage collector.
    made.forEach(adopt);
    const batch = await result;
    return this.#place(() => batch);
  }

  /** Runs the last step of a batch, moves it to the loader's device and frees what is not part of it. */
  #place(finish: () => Batch, before: readonly Disposable[] = []): Assembled<Batch> {
    const { result: batch, made } = collect(() => {
      const finished = finish();
      return this.#device === undefined ? finished : moveTensors(finished, this.#device);
    });
    const kept = new Set<unknown>(tensorsOf(batch));
    const all = [...before, ...made];
    for (const tensor of all) if (!kept.has(tensor)) tensor.dispose();
    return { batch, made: all.filter((tensor) => kept.has(tensor)) };
  }

  /** Resolves when what is enqueued now on the devices of the batch is done. */
  #fence(batch: Batch): Promise<void> {
    const devices = new Set(tensorsOf(batch).map((tensor) => tensor.device));
    const fence = Promise.all(Array.from(devices, (device) => device.sync())).then(() => undefined);
    fence.catch(() => undefined);
    return fence;
  }
}

interface Assembled<Batch> {
  readonly batch: Batch;
  readonly made: readonly Disposable[];
}

function dispose({ made }: Assembled<unknown>): void {
  for (const tensor of made) tensor.dispose();
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

function checkWhole(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TilegradError('ERR_ARGUMENT', `DataLoader: ${name} is ${value}, expected a whole number from ${least} up`);
}
