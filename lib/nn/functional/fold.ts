// Images as columns of their patches, and back: each tap of the kernel is one strided slice.
import { checkOptions, TilegradError } from '../../error.ts';
import { add, pad, reshape, select, slice, stack } from '../../ops/index.ts';
import { sliceInputGrad } from '../../ops/views.ts';
import type { Tensor } from '../../tensor.ts';

type Pair = number | readonly [number, number];

/** Options of `unfold` and `fold`: one number, or rows and columns. */
export interface FoldOptions {
  /** Distance between the taps of the kernel. Default: 1. */
  readonly dilation?: Pair | undefined;
  /** Zeros around the image. Default: 0. */
  readonly padding?: Pair | undefined;
  /** Distance between patches. Default: 1. */
  readonly stride?: Pair | undefined;
}

/** Where the patches of an image lie. */
interface Patches {
  kernel: readonly [number, number];
  padding: readonly [number, number];
  /** Patches down and across. */
  counts: readonly [number, number];
  /** The slice of each tap in the padded image (N, C, H, W), row by row. */
  taps: { starts: number[]; stops: number[]; steps: number[] }[];
}

function pair(user: string, name: string, value: Pair, least: number): readonly [number, number] {
  const both = typeof value === 'number' ? ([value, value] as const) : value;
  if (!Array.isArray(both) || both.length !== 2 || !both.every((n) => Number.isSafeInteger(n) && n >= least))
    throw new TilegradError('ERR_ARGUMENT', `${user}: ${name} must be a whole number from ${least} up, or two`);
  return both as readonly [number, number];
}

function patchesOf(user: string, shape: readonly number[], kernelSize: Pair, options: FoldOptions): Patches {
  checkOptions(user, options, ['dilation', 'padding', 'stride']);
  const kernel = pair(user, 'kernelSize', kernelSize, 1);
  const padding = pair(user, 'padding', options.padding ?? 0, 0);
  const stride = pair(user, 'stride', options.stride ?? 1, 1);
  const dilation = pair(user, 'dilation', options.dilation ?? 1, 1);
  const [batch, channels, ...sizes] = shape as [number, number, number, number];
  const counts = ([0, 1] as const).map((d) => {
    const span = dilation[d] * (kernel[d] - 1) + 1;
    const size = (sizes[d] as number) + 2 * padding[d];
    if (span > size)
      throw new TilegradError('ERR_SHAPE', `${user}: the kernel spans ${span} but the padded image has ${size}`);
    return Math.floor((size - span) / stride[d]) + 1;
  }) as [number, number];
  const taps = Array.from({ length: kernel[0] * kernel[1] }, (_, tap) => {
    const at = [Math.floor(tap / kernel[1]) * dilation[0], (tap % kernel[1]) * dilation[1]] as const;
    return {
      starts: [0, 0, ...at],
      stops: [
        batch,
        channels,
        ...at.map((start, d) => start + ((counts[d] as number) - 1) * (stride[d] as number) + 1),
      ],
      steps: [1, 1, ...stride],
    };
  });
  return { kernel, padding, counts, taps };
}

/**
 * The patches of images (N, C, H, W) that a kernel of `kernelSize` covers, as columns: (N, C R S, L) for L patches, row by row.
 * Throws ERR_SHAPE for a kernel larger than the padded image. As torch.nn.functional.unfold.
 */
export function unfold(x: Tensor, kernelSize: Pair, options: FoldOptions = {}): Tensor {
  if (x.rank !== 4)
    throw new TilegradError('ERR_SHAPE', `unfold: input must have 4 dimensions but has shape [${x.shape.join(', ')}]`);
  const { padding, counts, taps } = patchesOf('unfold', x.shape, kernelSize, options);
  const [rows, columns] = padding;
  const padded = rows + columns > 0 ? pad(x, [columns, columns, rows, rows]) : x;
  const all = taps.map(({ starts, stops, steps }) => slice(padded, starts, stops, steps));
  return reshape(stack(all, 2), [x.size(0), x.size(1) * taps.length, counts[0] * counts[1]]);
}

/**
 * Adds patches (N, C R S, L) up where they overlap, into images (N, C, H, W) of `outputSize`: the gradient of `unfold`. Throws
 * ERR_SHAPE where the columns do not fit. As torch.nn.functional.fold.
 */
export function fold(x: Tensor, outputSize: Pair, kernelSize: Pair, options: FoldOptions = {}): Tensor {
  const [height, width] = pair('fold', 'outputSize', outputSize, 1);
  const [down, across] = pair('fold', 'kernelSize', kernelSize, 1);
  const channels = (x.shape[1] ?? 0) / (down * across);
  const image = [x.shape[0] ?? 0, channels, height, width];
  const { padding, counts, taps } = patchesOf('fold', image, kernelSize, options);
  if (x.rank !== 3 || !Number.isInteger(channels) || x.shape[2] !== counts[0] * counts[1])
    throw new TilegradError(
      'ERR_SHAPE',
      `fold: input must have shape [N, C x ${down * across}, ${counts[0] * counts[1]}] but has [${x.shape.join(', ')}]`,
    );
  const [rows, columns] = padding;
  const shape = [image[0] as number, channels, height + 2 * rows, width + 2 * columns];
  const patches = reshape(x, [image[0] as number, channels, taps.length, ...counts]);
  const sum = taps.map((tap, i) => sliceInputGrad(select(patches, 2, i), shape, tap)).reduce(add);
  return rows + columns > 0
    ? slice(sum, [0, 0, rows, columns], [image[0] as number, channels, rows + height, columns + width])
    : sum;
}
