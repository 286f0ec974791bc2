import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, TilegradError } from '../error.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { cacheFolder, dataFolder } from './cache.ts';
import { ImageDataset } from './dataset.ts';
import { drawDigits } from './digits.ts';
import { type DownloadProgress, download } from './download.ts';
import { type IdxArray, readIdx } from './idx.ts';
import { fashionMnistSet, mnistSet, type PublishedSet } from './mnist_files.ts';
import { Normalize, ToFloat, type TransformInput } from './transforms.ts';

/** Where images came from: a folder named by the caller or `TILEGRAD_DATA`, the cache, the network, or a pen. */
export type DataSource = 'folder' | 'cache' | 'download' | 'drawn';

/** Where to look for a data set and what to do with its images. */
export interface MnistOptions {
  /**
   * Folder that holds the four files, or a folder `mnist` (`fashion-mnist`) with them. Default: the one in
   * `TILEGRAD_DATA`, else the user's cache. With `download`, missing files are fetched into it.
   */
  readonly root?: string | undefined;
  /** Fetch what is missing into the cache. Default true, but false where `root` is given. */
  readonly download?: boolean | undefined;
  /** MNIST only: `'draw'` draws 70,000 digits where the data set is not there and cannot be fetched. Default: throw. */
  readonly fallback?: 'draw' | undefined;
  /** Default: `[new ToFloat(), new Normalize(mean, std)]` with the training set's mean and deviation. */
  readonly transform?: TransformInput | undefined;
  /** Called as files are fetched. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Training and test images with what is known of them. */
export interface MnistData {
  readonly title: string;
  readonly train: ImageDataset;
  readonly test: ImageDataset;
  readonly source: DataSource;
  /** The folder that the files were read from; for drawn digits, why the real ones are not there. */
  readonly detail: string;
  readonly classes: readonly string[];
}

const optionNames = ['root', 'download', 'fallback', 'transform', 'onProgress', 'signal'];
const trainCount = 60_000;
const testCount = 10_000;

/**
 * MNIST: 60,000 training and 10,000 test images of handwritten digits, (N, 1, 28, 28), labels i64. Found in `root`, else
 * in `TILEGRAD_DATA`, else in the cache, else downloaded and verified; `source` tells which. Throws `ERR_IO` where it is
 * nowhere, `ERR_FORMAT` where a file is damaged. LeCun, Cortes and Burges, "The MNIST database".
 */
export async function mnist(options: MnistOptions = {}): Promise<MnistData> {
  checkOptions('mnist', options, optionNames);
  return load(mnistSet, options);
}

/**
 * Fashion-MNIST: images of ten kinds of clothes in the form of MNIST, found as `mnist()` finds its files. Xiao, Rasul and
 * Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms".
 */
export async function fashionMnist(options: Omit<MnistOptions, 'fallback'> = {}): Promise<MnistData> {
  checkOptions(
    'fashionMnist',
    options,
    optionNames.filter((name) => name !== 'fallback'),
  );
  return load(fashionMnistSet, options);
}

async function load(set: PublishedSet, options: MnistOptions): Promise<MnistData> {
  let found: { folder: string; source: DataSource };
  try {
    found = await locate(set, options);
  } catch (error) {
    const missing = error instanceof TilegradError && error.code === 'ERR_IO';
    if (options.fallback !== 'draw' || !missing) throw error;
    return drawn(options, error.message);
  }
  const arrays: IdxArray[] = [];
  for (const [i, { name }] of set.files.entries()) {
    const path = (await present(found.folder, name)) ?? join(found.folder, name);
    arrays.push(await readIdx(path, { rank: i % 2 === 0 ? 3 : 1 }));
  }
  const [trainImages, trainLabels, testImages, testLabels] = arrays as [IdxArray, IdxArray, IdxArray, IdxArray];
  return {
    title: set.title,
    train: dataset(set, options, trainImages, trainLabels, `${found.folder}: training`),
    test: dataset(set, options, testImages, testLabels, `${found.folder}: test`),
    source: found.source,
    detail: found.folder,
    classes: set.classes,
  };
}

/** Finds the folder that has all four files, fetching into it what may be fetched. */
async function locate(set: PublishedSet, options: MnistOptions): Promise<{ folder: string; source: DataSource }> {
  const { root } = options;
  if (root !== undefined) {
    const folders = [join(root, set.folder), root];
    const folder = await firstComplete(set, folders);
    if (folder !== undefined) return { folder, source: 'folder' };
    if (options.download !== true) throw notFound(set, folders);
    await fetchMissing(set, join(root, set.folder), options);
    return { folder: join(root, set.folder), source: 'download' };
  }
  const named = dataFolder();
  const folders = named === undefined ? [] : [join(named, set.folder), named];
  const folder = await firstComplete(set, folders);
  if (folder !== undefined) return { folder, source: 'folder' };
  const cache = join(cacheFolder(), set.folder);
  if ((await firstComplete(set, [cache])) !== undefined) return { folder: cache, source: 'cache' };
  if (options.download === false) throw notFound(set, [...folders, cache]);
  await fetchMissing(set, cache, options);
  return { folder: cache, source: 'download' };
}

/** The path of a file, packed or unpacked, if it is there. */
async function present(folder: string, name: string): Promise<string | undefined> {
  for (const path of [join(folder, name), join(folder, name.replace(/\.gz$/, ''))]) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
}

async function firstComplete(set: PublishedSet, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const paths = await Promise.all(set.files.map(({ name }) => present(folder, name)));
    if (paths.every((path) => path !== undefined)) return folder;
    const missing = set.files.filter((_, i) => paths[i] === undefined).map(({ name }) => name);
    // Some files but not all is a mistake to tell in a folder that the user chose, and a broken download in the cache.
    if (missing.length < paths.length && folder !== join(cacheFolder(), set.folder)) {
      throw new TilegradError('ERR_IO', `${set.title}: ${folder} has some of the files, but not ${missing.join(', ')}`);
    }
  }
  return undefined;
}

function notFound(set: PublishedSet, folders: readonly string[]): TilegradError {
  const names = set.files.map(({ name }) => name).join(', ');
  return new TilegradError(
    'ERR_IO',
    `${set.title}: not in ${folders.join(' nor in ')} (files ${names}); with download: true they are fetched`,
  );
}

async function fetchMissing(set: PublishedSet, folder: string, options: MnistOptions): Promise<void> {
  for (const { name, bytes, sha256 } of set.files) {
    if ((await present(folder, name)) !== undefined) continue;
    try {
      const { onProgress, signal } = options;
      await download({
        urls: set.mirrors.map((mirror) => mirror + name),
        path: join(folder, name),
        bytes,
        sha256,
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      });
    } catch (error) {
      if (!(error instanceof TilegradError)) throw error;
      const help = `Put the four files of ${set.title} into ${folder}, or name a folder with ${set.folder}/ in TILEGRAD_DATA.`;
      throw new TilegradError(error.code, `${error.message}\n${help}`, { cause: error });
    }
  }
}

function defaultTransform(set: PublishedSet): TransformInput {
  return [new ToFloat(), new Normalize(set.mean, set.std)];
}

function dataset(
  set: PublishedSet,
  options: MnistOptions,
  images: IdxArray,
  labels: IdxArray,
  where: string,
): ImageDataset {
  const [count, height, width] = images.shape as [number, number, number];
  if (labels.shape[0] !== count) {
    throw new TilegradError('ERR_FORMAT', `${where}: ${count} images but ${labels.shape[0]} labels`);
  }
  const wrong = labels.data.findIndex((label) => label >= set.classes.length);
  if (wrong >= 0) {
    throw new TilegradError('ERR_FORMAT', `${where}: label ${wrong} is ${labels.data[wrong]}, expected 0 to 9`);
  }
  const pixels = tensor(images.data, { shape: [count, 1, height, width] });
  const { transform = defaultTransform(set) } = options;
  return new ImageDataset(pixels, labelTensor(labels.data), { transform, classes: set.classes });
}

function labelTensor(labels: Uint8Array): Tensor {
  return tensor(BigInt64Array.from(labels, BigInt));
}

/**
 * 60,000 training and 10,000 test images of digits in the form of MNIST, drawn by the library in a few seconds (see
 * `drawDigits`). The same on every machine. `transform` is as in `mnist()`.
 */
export async function drawnDigits(options: { transform?: TransformInput | undefined } = {}): Promise<MnistData> {
  checkOptions('drawnDigits', options, ['transform']);
  return drawn(options, 'as asked');
}

async function drawn(options: MnistOptions, detail: string): Promise<MnistData> {
  const { transform = defaultTransform(mnistSet) } = options;
  const { classes } = mnistSet;
  const sets = [await drawDigits(trainCount), await drawDigits(testCount, { first: trainCount })];
  const [train, test] = sets.map(({ images, labels }) => {
    const pixels = tensor(images, { shape: [labels.length, 1, 28, 28] });
    return new ImageDataset(pixels, labelTensor(labels), { transform, classes });
  }) as [ImageDataset, ImageDataset];
  return { title: 'drawn digits', train, test, source: 'drawn', detail, classes };
}
