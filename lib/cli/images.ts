// The data sets that programs offer by name, and predictions as people want to see them.
import { checkOptions } from '../error.ts';
import {
  type DownloadProgress,
  drawnDigits,
  fashionMnist,
  type ImageDataset,
  type MnistData,
  mnist,
} from '../data/index.ts';
import { drawPictures } from './draw.ts';
import { expectChoice } from './options.ts';
import type { TextStream } from './terminal.ts';

/** Names that {@link loadImages} knows. */
export const imageSets = ['mnist', 'fashion', 'drawn'] as const;

/**
 * The images that `name` stands for: 'mnist' (digits that the library draws where MNIST is not to be had), 'fashion' for
 * Fashion-MNIST, 'drawn' for digits that the library draws. Downloads are told on `stream`, default `process.stdout`.
 * Throws a UsageError for another name.
 */
export async function loadImages(name: string, stream: TextStream = process.stdout): Promise<MnistData> {
  const seen = new Set<string>();
  const onProgress = ({ file, total }: DownloadProgress) => {
    if (!seen.has(file)) stream.write(`fetching ${file}, ${(total / 1e6).toFixed(1)} MB\n`);
    seen.add(file);
  };
  if (expectChoice('--data', name, imageSets) === 'drawn') return drawnDigits();
  return name === 'mnist' ? mnist({ onProgress, fallback: 'draw' }) : fashionMnist({ onProgress });
}

/** How many images there are and where they came from, in words. */
export function describeImages({ title, source, detail, train, test }: MnistData): string {
  const count = (n: number) => n.toLocaleString('en-US');
  const origin =
    source === 'drawn'
      ? `digits that the library drew itself, ${detail}`
      : source === 'download'
        ? `${title}, downloaded to ${detail}`
        : `${title} from ${detail}`;
  return `${count(train.length)} training and ${count(test.length)} test images: ${origin}`;
}

/** Three images that were read right and three that were not, if there are so many, with their classes. */
export async function drawPredictions(
  images: ImageDataset,
  predicted: readonly number[],
  options: { columns?: number | undefined } = {},
): Promise<string> {
  checkOptions('drawPredictions', options, ['columns']);
  const pixels = (await images.images.data()) as Uint8Array;
  const target = Array.from(await images.labels.data(), Number);
  const [, , height, width] = images.images.shape as [number, number, number, number];
  const area = height * width;
  const nameOf = (label: number) => images.classes?.[label] ?? String(label);
  const all = target.map((_, i) => i);
  const right = all.filter((i) => predicted[i] === target[i]).slice(0, 3);
  const wrong = all.filter((i) => predicted[i] !== target[i]).slice(0, 3);
  const pictures = [...right, ...wrong].map((i) => ({
    pixels: pixels.subarray(i * area, (i + 1) * area),
    caption: [`predicted ${nameOf(predicted[i] as number)}`, `true      ${nameOf(target[i] as number)}`],
  }));
  return drawPictures(pictures, { width, ...(options.columns && { columns: options.columns }) });
}
