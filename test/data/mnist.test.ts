import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataLoader } from '../../lib/data/loader.ts';
import { fashionMnist, type MnistData, mnist } from '../../lib/data/mnist.ts';

const names = [
  'train-images-idx3-ubyte.gz',
  'train-labels-idx1-ubyte.gz',
  't10k-images-idx3-ubyte.gz',
  't10k-labels-idx1-ubyte.gz',
];
let folder: string;

function idx(shape: number[], data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  for (const [i, dim] of shape.entries()) header.writeUInt32BE(dim, 4 + 4 * i);
  return gzipSync(Buffer.concat([header, data]));
}

/** A data set of 4 training and 2 test images in the form of MNIST. */
async function writeSmallSet(to: string, labels = [3, 1, 4, 1]): Promise<void> {
  await mkdir(to, { recursive: true });
  const images = Uint8Array.from({ length: 4 * 784 }, (_, i) => i & 255);
  await writeFile(join(to, names[0] as string), idx([4, 28, 28], images));
  await writeFile(join(to, names[1] as string), idx([labels.length], Uint8Array.from(labels)));
  await writeFile(join(to, names[2] as string), idx([2, 28, 28], images.subarray(0, 2 * 784)));
  await writeFile(join(to, names[3] as string), idx([2], Uint8Array.of(7, 2)));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tilegrad-mnist-'));
  vi.stubEnv('TILEGRAD_DATA', '');
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  vi.stubEnv('LOCALAPPDATA', join(folder, 'cache'));
  // No test may reach the network; each says what it would find there.
  vi.stubGlobal('fetch', () =>
    Promise.reject(
      new TypeError('fetch failed', { cause: Object.assign(new Error('offline'), { code: 'ENOTFOUND' }) }),
    ),
  );
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true });
});

async function labels({ train, test }: MnistData): Promise<unknown[]> {
  return [await train.labels.tolist(), await test.labels.tolist()];
}

describe('mnist', () => {
  it('reads a named folder, packed or not, itself or a folder mnist in it', async () => {
    await writeSmallSet(join(folder, 'a', 'mnist'));
    const packed = await mnist({ root: join(folder, 'a') });
    expect(packed).toMatchObject({ source: 'folder', detail: join(folder, 'a', 'mnist') });
    expect(await labels(packed)).toEqual([
      [3n, 1n, 4n, 1n],
      [7n, 2n],
    ]);
    expect(packed.train.images.shape).toEqual([4, 1, 28, 28]);
    await mkdir(join(folder, 'b'));
    for (const name of names) {
      const bytes = gunzipSync(await readFile(join(folder, 'a', 'mnist', name)));
      await writeFile(join(folder, 'b', name.replace('.gz', '')), bytes);
    }
    expect(await labels(await mnist({ root: join(folder, 'b') }))).toEqual(await labels(packed));
  });

  it('finds TILEGRAD_DATA before the cache', async () => {
    await writeSmallSet(join(folder, 'cache', 'tilegrad', 'mnist'), [1, 1, 1, 1]);
    expect((await mnist()).source).toBe('cache');
    await writeSmallSet(join(folder, 'data', 'mnist'));
    vi.stubEnv('TILEGRAD_DATA', join(folder, 'data'));
    expect((await mnist()).source).toBe('folder');
  });

  it('normalises by default', async () => {
    await writeSmallSet(folder);
    const { train } = await mnist({ root: folder });
    const { input } = train.batch(Int32Array.of(0), { seed: 0, epoch: 0 });
    const values = (await input.data()) as Float32Array;
    expect(values[0]).toBeCloseTo(-0.1307 / 0.3081, 6);
    expect(values[255]).toBeCloseTo((1 - 0.1307) / 0.3081, 6);
  });

  it('names the files that a folder lacks, some or all', async () => {
    await writeSmallSet(folder);
    await rm(join(folder, names[3] as string));
    await expect(mnist({ root: folder })).rejects.toThrow(`has some of the files, but not ${names[3]}`);
    await expect(mnist({ root: join(folder, 'none') })).rejects.toThrow(
      /MNIST: not in .*none.mnist nor in .*none \(files train-images/,
    );
    await expect(mnist({ download: false })).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('never hides a damaged file behind a fallback', async () => {
    await writeSmallSet(folder, [3, 1, 4]);
    await expect(mnist({ root: folder, fallback: 'draw' })).rejects.toThrow('training: 4 images but 3 labels');
    await writeSmallSet(folder, [3, 1, 4, 10]);
    await expect(mnist({ root: folder, fallback: 'draw' })).rejects.toThrow('training: label 3 is 10, expected 0 to 9');
    await copyFile(join(folder, names[1] as string), join(folder, names[0] as string));
    await expect(mnist({ root: folder, fallback: 'draw' })).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('tells offline what was tried and what to do', async () => {
    const error = await mnist().catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'ERR_IO' });
    expect((error as Error).message).toMatch(
      /train-images-idx3-ubyte.gz could not be fetched from any of 3 addresses:/,
    );
    expect((error as Error).message).toMatch(/no connection \(offline\)/);
    expect((error as Error).message).toMatch(
      /Put the four files of MNIST into .*cache.tilegrad.mnist, or .* TILEGRAD_DATA/,
    );
  });

  it('does not take what a wrong server sends', async () => {
    vi.stubGlobal(
      'fetch',
      async () => new Response('<html>log in first</html>', { headers: { 'content-length': '25' } }),
    );
    await expect(mnist()).rejects.toThrow(/has 25 bytes, expected 9912422/);
    await expect(fashionMnist()).rejects.toThrow(/Fashion-MNIST/);
  });

  it('draws digits offline where that is asked for, and says so', async () => {
    const { train, test, source, detail } = await mnist({ fallback: 'draw' });
    expect([source, train.length, test.length]).toEqual(['drawn', 60_000, 10_000]);
    expect(detail).toMatch(/could not be fetched/);
  });

  it('refuses a mistyped option', async () => {
    await expect(mnist({ folder: '/x' } as object)).rejects.toThrow("mnist: unknown option 'folder'");
    await expect(fashionMnist({ fallback: 'draw' } as object)).rejects.toThrow(
      "fashionMnist: unknown option 'fallback'",
    );
  });
});

const real = process.env.TILEGRAD_DATA;
describe.skipIf(!real)(`the published files${real ? '' : ' (skipped: TILEGRAD_DATA is not set)'}`, () => {
  it.each([
    ['MNIST', mnist, [0.13066, 0.308108], [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]],
    ['Fashion-MNIST', fashionMnist, [0.286041, 0.353024], new Array(10).fill(6000)],
  ] as const)('%s has the moments and label counts it is known for', async (_name, load, moments, counts) => {
    const { train, test } = await load({ root: real as string });
    expect([train.length, test.length]).toEqual([60_000, 10_000]);
    const pixels = (await train.images.data()) as Uint8Array;
    let [sum, squares] = [0, 0];
    for (const value of pixels) {
      sum += value;
      squares += value * value;
    }
    const mean = sum / pixels.length;
    expect(mean / 255).toBeCloseTo(moments[0], 5);
    expect(Math.sqrt(squares / pixels.length - mean * mean) / 255).toBeCloseTo(moments[1], 5);
    const found = new Array<number>(10).fill(0);
    for (const label of (await train.labels.data()) as BigInt64Array) found[Number(label)]! += 1;
    expect(found).toEqual([...counts]);
  });

  it('gives the first labels in order', async () => {
    const { test } = await mnist({ root: real as string });
    for await (const { target } of new DataLoader(test, { batchSize: 10 })) {
      expect(Array.from((await target.data()) as BigInt64Array, Number)).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
      break;
    }
  });
});
