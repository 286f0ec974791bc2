import { describe, expect, it } from 'vitest';
import { ImageDataset } from '../../lib/data/dataset.ts';
import { Compose, Normalize, RandomShift, ToFloat, type TransformInput } from '../../lib/data/transforms.ts';
import { ones } from '../../lib/ops/index.ts';
import { type Tensor, tensor } from '../../lib/tensor.ts';

const shape = [4, 2, 3, 3];
const bytes = Uint8Array.from({ length: 4 * 2 * 3 * 3 }, (_, i) => (i * 29 + 7) & 255);
const context = { seed: 3, epoch: 0 };

function dataset(transform?: TransformInput): ImageDataset {
  return new ImageDataset(tensor(bytes, { shape }), tensor(BigInt64Array.of(5n, 6n, 7n, 8n)), { transform });
}

async function batch(transform: TransformInput | undefined, rows = [2, 0]): Promise<number[]> {
  const { input } = dataset(transform).batch(Int32Array.from(rows), context);
  return Array.from((await input.data()) as Float32Array);
}

/** The pixels of rows 2 and 0, each mapped from its byte and channel. */
function expected(map: (value: number, channel: number) => number): number[] {
  return [2, 0].flatMap((row) => Array.from(bytes.subarray(row * 18, row * 18 + 18), (v, i) => map(v, i < 9 ? 0 : 1)));
}

function expectClose(found: number[], wanted: number[], digits: number): void {
  expect(found.length).toBe(wanted.length);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i] as number, digits);
}

describe('ImageDataset', () => {
  it('gives bytes and labels as they are without a transform', async () => {
    const { input, target } = dataset().batch(Int32Array.of(2, 0), context);
    expect([input.dtype, input.shape, target.dtype]).toEqual(['u8', [2, 2, 3, 3], 'i64']);
    expect(Array.from((await input.data()) as Uint8Array)).toEqual(expected((v) => v));
    expect(await target.tolist()).toEqual([7n, 5n]);
  });

  it('rounds scaled and normalised pixels once', async () => {
    const { fround } = Math;
    expect(await batch(new ToFloat())).toEqual(expected((v) => fround(v / 255)));
    const normalised = await batch([new ToFloat(), new Normalize([0.5, 0.1], [0.25, 2])]);
    const exact = expected((v, c) => (v / 255 - (c === 0 ? 0.5 : 0.1)) / (c === 0 ? 0.25 : 2));
    // f32 keeps seven digits of these values, which stay below 4.
    expectClose(normalised, exact, 6);
  });

  it('gives the same in whatever way the transforms are put together', async () => {
    const steps = [new ToFloat(), new Normalize(0.5, 0.25), new Normalize([0, 1], [1, 2])];
    const folded = await batch(steps);
    expect(await batch(new Compose(steps))).toEqual(folded);
    expect(await batch([new Compose([steps[0] as ToFloat, [steps[1] as Normalize]]), steps[2] as Normalize])).toEqual(
      folded,
    );
    const apart = await batch([(x: Tensor) => x, ...steps]);
    expectClose(apart, folded, 5);
  });

  it('calls transforms of users in their place', async () => {
    const double = (x: Tensor) => x.mul(2);
    const values = await batch([new ToFloat(), double, new Normalize(1, 1)]);
    expectClose(
      values,
      expected((v) => (v * 2) / 255 - 1),
      5,
    );
  });

  it('shares the images with another transform', async () => {
    const first = dataset(new ToFloat());
    const second = first.withTransform(undefined);
    expect(second.images).toBe(first.images);
    expect(second.batch(Int32Array.of(1), context).input.dtype).toBe('u8');
  });

  it('refuses what does not fit', () => {
    expect(() => new ImageDataset(ones([3, 2, 2]), ones([3]))).toThrow(
      'ImageDataset: expected (N, C, H, W) and (N), but has images [3, 2, 2] and labels [3]',
    );
    expect(() => new ImageDataset(ones([3, 1, 2, 2]), ones([4]))).toThrow('labels [4]');
    expect(() => dataset(new Normalize([1, 2, 3], [1, 2, 3]))).toThrow('has 3 means, the images have 2 channels');
    expect(() => new Normalize([1, 2], [1])).toThrow('mean has 2 numbers, std 1');
    expect(() => new Normalize(0, 0)).toThrow('std not 0');
    expect(() => new Normalize(Number.NaN, 1)).toThrow('must be finite');
    expect(() => new RandomShift(-1)).toThrow('max is -1');
    expect(() => dataset('flip' as unknown as TransformInput)).toThrow('transform: expected a function');
  });
});

describe('RandomShift', () => {
  const rows = Int32Array.from({ length: 200 }, (_, i) => i);

  it('draws every shift, the same for seed, epoch and row', async () => {
    const shift = new RandomShift(1);
    const drawn = (await shift.offsets({ ...context, rows }).tolist()) as number[][];
    expect(new Set(drawn.map(String)).size).toBe(9);
    const reversed = (await shift.offsets({ ...context, rows: rows.slice().reverse() }).tolist()) as number[][];
    expect(reversed.reverse()).toEqual(drawn);
    expect(await shift.offsets({ seed: 3, epoch: 1, rows }).tolist()).not.toEqual(drawn);
    expect(await shift.offsets({ seed: 4, epoch: 0, rows }).tolist()).not.toEqual(drawn);
  });

  it('moves the pixels and fills with background, folded or not', async () => {
    const shift = new RandomShift(2);
    const offsets = (await shift.offsets({ ...context, rows: Int32Array.of(2, 0) }).tolist()) as [number, number][];
    const moved = [2, 0].flatMap((row, i) => {
      const [dy, dx] = offsets[i] as [number, number];
      return Array.from({ length: 18 }, (_, at) => {
        const [c, y, x] = [Math.floor(at / 9), (Math.floor(at / 3) % 3) - dy, (at % 3) - dx];
        return x < 0 || y < 0 || x > 2 || y > 2 ? 0 : (bytes[row * 18 + c * 9 + y * 3 + x] as number);
      });
    });
    expect(await batch(shift)).toEqual(moved);
    expect(await batch([(x: Tensor) => x, shift])).toEqual(moved);
    const scaled = await batch([shift, new ToFloat(), new Normalize(0.5, 1)]);
    expectClose(
      scaled,
      moved.map((v) => v / 255 - 0.5),
      6,
    );
  });
});
