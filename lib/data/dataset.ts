import { checkOptions, TilegradError } from '../error.ts';
import { gatherRows } from '../ops/gather_rows.ts';
import { tidy } from '../scope.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { applyTransforms, planTransforms, type TransformInput, type TransformPlan } from './transforms.ts';

/** Where a batch belongs in a run: random transforms draw from these numbers and nothing else. */
export interface BatchContext {
  readonly seed: number;
  readonly epoch: number;
}

/**
 * Rows that are assembled into batches. `batch` enqueues the work on the rows with the given numbers (each from 0 to
 * `length` - 1, in any order) and returns at once, or a promise where it must wait for the disk.
 */
export interface Dataset<Batch> {
  readonly length: number;
  /** The rows of these numbers as one batch. */
  batch(rows: Int32Array, context: BatchContext): Batch | Promise<Batch>;
}

/** Samples that are read one by one and stacked into batches by the loader: the map-style dataset of PyTorch. */
export interface SampleDataset<Sample> {
  readonly length: number;
  /** The sample of that number. */
  get(row: number, context: BatchContext): Sample | Promise<Sample>;
}

/** A batch for supervised learning. */
export interface LabelledBatch {
  readonly input: Tensor;
  readonly target: Tensor;
}

/**
 * Tensors that share their first dimension, by name: `new TensorDataset({ input, target })`. A batch holds the chosen
 * rows of each under the same name. Throws `ERR_SHAPE` where the first dimensions differ. As
 * torch.utils.data.TensorDataset, with names in place of positions.
 */
export class TensorDataset<Tensors extends Readonly<Record<string, Tensor>>> implements Dataset<Tensors> {
  readonly length: number;
  readonly tensors: Tensors;

  constructor(tensors: Tensors) {
    const entries = Object.entries(tensors);
    const [first] = entries;
    if (first === undefined) throw new TilegradError('ERR_ARGUMENT', 'TensorDataset: needs at least one tensor');
    const length = first[1].shape[0];
    for (const [name, { shape }] of entries) {
      if (shape[0] === undefined || shape[0] !== length) {
        const text = `${name} has shape [${shape.join(', ')}], ${first[0]} has [${first[1].shape.join(', ')}]`;
        throw new TilegradError('ERR_SHAPE', `TensorDataset: tensors need one first dimension, but ${text}`);
      }
    }
    this.tensors = tensors;
    this.length = length as number;
  }

  /** The rows of these numbers, of each tensor under its name. */
  batch(rows: Int32Array): Tensors {
    return tidy(() => {
      const index = tensor(rows);
      const gathered = Object.entries(this.tensors).map(([name, source]) => [name, gatherRows(source, index)]);
      return Object.fromEntries(gathered) as Tensors;
    });
  }
}

/** What an `ImageDataset` is made of besides its tensors. */
export interface ImageDatasetOptions {
  /** Applied to each batch of images, in this order. Default: none, the bytes come as they are. */
  readonly transform?: TransformInput | undefined;
  /** Names of the classes, for tables. */
  readonly classes?: readonly string[] | undefined;
}

/**
 * Images (N, C, H, W), usually u8, with one label each (N). The images stay in the tensor they came in; gathering the
 * rows of a batch, scaling, normalising and shifting them is one pass off the JavaScript thread, which reads each byte
 * once. Throws `ERR_SHAPE` for other ranks or different lengths.
 */
export class ImageDataset implements Dataset<LabelledBatch> {
  readonly images: Tensor;
  readonly labels: Tensor;
  readonly classes: readonly string[] | undefined;
  readonly length: number;
  readonly #plan: TransformPlan;

  constructor(images: Tensor, labels: Tensor, options: ImageDatasetOptions = {}) {
    checkOptions('ImageDataset', options, ['transform', 'classes']);
    const [n, channels] = images.shape;
    if (images.rank !== 4 || labels.rank !== 1 || labels.shape[0] !== n) {
      const text = `images [${images.shape.join(', ')}] and labels [${labels.shape.join(', ')}]`;
      throw new TilegradError('ERR_SHAPE', `ImageDataset: expected (N, C, H, W) and (N), but has ${text}`);
    }
    this.images = images;
    this.labels = labels;
    this.classes = options.classes;
    this.length = n as number;
    this.#plan = planTransforms(options.transform, images.dtype, channels as number);
  }

  /** The same images and labels, which are shared, under another transform. */
  withTransform(transform: TransformInput | undefined): ImageDataset {
    return new ImageDataset(this.images, this.labels, { transform, classes: this.classes });
  }

  /** The images of these numbers, transformed, with their labels. */
  batch(rows: Int32Array, context: BatchContext): LabelledBatch {
    return tidy(() => {
      const index = tensor(rows);
      const input = applyTransforms(this.#plan, this.images, index, { ...context, rows });
      return { input, target: gatherRows(this.labels, index) };
    });
  }
}
