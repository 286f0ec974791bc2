export { cacheFolder, dataFolder } from './cache.ts';
export { collate } from './collate.ts';
export {
  type BatchContext,
  type Dataset,
  ImageDataset,
  type ImageDatasetOptions,
  type LabelledBatch,
  type SampleDataset,
  TensorDataset,
} from './dataset.ts';
export { type DigitSet, drawDigits } from './digits.ts';
export { type DownloadOptions, type DownloadProgress, download } from './download.ts';
export { decodeIdx, type IdxArray, type IdxOptions, parseIdx, readIdx } from './idx.ts';
export { DataLoader, type DataLoaderOptions } from './loader.ts';
export { type DataSource, drawnDigits, fashionMnist, type MnistData, type MnistOptions, mnist } from './mnist.ts';
export {
  Compose,
  Normalize,
  RandomShift,
  ToFloat,
  type Transform,
  type TransformContext,
  type TransformInput,
} from './transforms.ts';
