import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { drawDigits } from '../../lib/data/digits.ts';

const pixels = 28 * 28;

/** Share of `test` whose nearest mean image of `train` has its label: what no more than averages can tell. */
async function nearestMean(trainCount: number, testCount: number): Promise<number> {
  const train = await drawDigits(trainCount, { seed: 1 });
  const test = await drawDigits(testCount, { seed: 1, first: trainCount });
  const means = Array.from({ length: 10 }, () => new Float64Array(pixels));
  const counts = new Array<number>(10).fill(0);
  train.labels.forEach((label, i) => {
    counts[label] = (counts[label] as number) + 1;
    const mean = means[label] as Float64Array;
    for (let p = 0; p < pixels; p++) mean[p] = (mean[p] as number) + (train.images[i * pixels + p] as number);
  });
  let right = 0;
  test.labels.forEach((label, i) => {
    const distances = means.map((mean, digit) => {
      let sum = 0;
      for (let p = 0; p < pixels; p++) {
        sum += ((mean[p] as number) / (counts[digit] as number) - (test.images[i * pixels + p] as number)) ** 2;
      }
      return sum;
    });
    if (distances.indexOf(Math.min(...distances)) === label) right += 1;
  });
  return right / testCount;
}

describe('drawDigits', () => {
  it('gives the same bytes for a seed, other bytes for another, on every machine', async () => {
    const hash = async (seed: number) => {
      const { images, labels } = await drawDigits(100, { seed });
      return createHash('sha256').update(images).update(labels).digest('hex').slice(0, 16);
    };
    expect(await hash(0)).toBe('77a75b8e9b9330ef');
    expect(await hash(1)).not.toBe(await hash(0));
    expect(await hash(2 ** 40)).not.toBe(await hash(0));
  });

  it('draws a digit from its number alone', async () => {
    const all = await drawDigits(50, { seed: 7 });
    const some = await drawDigits(10, { seed: 7, first: 30 });
    expect(some.images).toEqual(all.images.subarray(30 * pixels, 40 * pixels));
    expect(some.labels).toEqual(all.labels.subarray(30, 40));
  });

  it('has the framing and the ink of MNIST', async () => {
    const { images, labels } = await drawDigits(3000);
    const counts = new Array<number>(10).fill(0);
    for (const label of labels) counts[label] = (counts[label] as number) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(230);
    expect(Math.max(...counts)).toBeLessThan(370);
    const mean = images.reduce((sum, value) => sum + value, 0) / images.length / 255;
    expect(mean).toBeGreaterThan(0.1);
    expect(mean).toBeLessThan(0.16);
    for (let i = 0; i < 200; i++) {
      const image = images.subarray(i * pixels, (i + 1) * pixels);
      let [ink, x, y] = [0, 0, 0];
      image.forEach((value, p) => {
        ink += value;
        x += value * (p % 28);
        y += value * Math.floor(p / 28);
      });
      expect(ink).toBeGreaterThan(5000);
      // Placed by its centre of mass, to about a pixel.
      expect(Math.abs(x / ink - 13.5)).toBeLessThan(1.5);
      expect(Math.abs(y / ink - 13.5)).toBeLessThan(1.5);
    }
  });

  it('is neither trivial nor noise: nearest mean image, which reads 82 % of MNIST', async () => {
    const share = await nearestMean(3000, 600);
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(0.95);
  });

  it('leaves the event loop its turns', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await drawDigits(8000);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('takes zero digits and refuses senseless counts', async () => {
    expect((await drawDigits(0)).images.length).toBe(0);
    await expect(drawDigits(-1)).rejects.toThrow('drawDigits: count is -1, expected a whole number up to 10000000');
    await expect(drawDigits(1.5)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(drawDigits(Number.NaN)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(drawDigits(1, { seed: -3 })).rejects.toThrow(/seed is -3/);
    await expect(drawDigits(1, { first: 0.5 })).rejects.toThrow(/first is 0.5/);
  });
});
