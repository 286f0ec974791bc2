import { fakeQuantize, quantize, quantizeLinear, type Tensor, tensor } from 'tilegrad';
import { describe, expect, it } from 'vitest';

const { MinMaxObserver, MovingAverageMinMaxObserver } = quantize;
const numbers = (x: Tensor): number[] => Array.from(x.dataSync(), Number);

async function observed(observer: quantize.MinMaxObserver, ...seen: number[][]): Promise<[number[], number[]]> {
  for (const values of seen) await observer.observe(tensor(values));
  const { scale, zeroPoint } = observer.parameters();
  return [numbers(scale), numbers(zeroPoint)];
}

describe('observers', () => {
  it('join the ranges of all they see, which hold 0', async () => {
    expect(await observed(new MinMaxObserver(), [1, 2], [3, 1])).toEqual([[Math.fround(3 / 255)], [0]]);
    expect(await observed(new MinMaxObserver({ dtype: 'i8' }), [-1, 2], [0, 4])).toEqual([
      [Math.fround(5 / 255)],
      [-77],
    ]);
  });

  it('put the zero of a symmetric range into the middle of the levels', async () => {
    const symmetric = { scheme: 'symmetric' } as const;
    expect((await observed(new MinMaxObserver(symmetric), [-1, 2]))[1]).toEqual([128]);
    expect((await observed(new MinMaxObserver({ ...symmetric, dtype: 'i8' }), [-1, 2]))[1]).toEqual([0]);
    const seven = new MinMaxObserver({ ...symmetric, quantMin: 0, quantMax: 127 });
    const [scale, zero] = await observed(seven, [-1, 2]);
    expect([scale, zero]).toEqual([[Math.fround(2 / 63.5)], [63]]);
    const levels = { quantMin: 0, quantMax: 127 };
    const x = tensor([-1, 0, 2]);
    expect(numbers(quantizeLinear(x, scale[0] as number, zero[0] as number, levels))).toEqual([31, 63, 127]);
    expect(numbers(fakeQuantize(x, scale[0] as number, zero[0] as number, 0, 127))[1]).toBe(0);
  });

  it('see every channel by itself along an axis, also one from the end', async () => {
    const x = tensor([
      [1, 10],
      [2, -20],
    ]);
    for (const axis of [1, -1]) {
      const observer = new MinMaxObserver({ axis, dtype: 'i8', scheme: 'symmetric' });
      await observer.observe(x);
      expect(numbers(observer.parameters().scale)).toEqual([2 / 127.5, 20 / 127.5].map(Math.fround));
    }
  });

  it('follow a moving average', async () => {
    const observer = new MovingAverageMinMaxObserver({ averagingConstant: 0.5 });
    expect((await observed(observer, [0, 2], [0, 4]))[0]).toEqual([Math.fround(3 / 255)]);
  });

  it('say what they cannot take', async () => {
    const wrong = (options: object) => () => new MinMaxObserver(options);
    expect(wrong({ dtype: 'i32' })).toThrow("MinMaxObserver: dtype must be 'u8' or 'i8' but is 'i32'");
    expect(wrong({ scheme: 'even' })).toThrow("scheme must be 'affine' or 'symmetric' but is 'even'");
    expect(wrong({ quantMin: -1 })).toThrow('the levels of u8 are 0 to 255, which do not hold -1 to 255');
    expect(wrong({ quantMin: 9, quantMax: 9 })).toThrow('quantMin 9 must be a whole number below quantMax 9');
    expect(() => new MovingAverageMinMaxObserver({ averagingConstant: 5 })).toThrow('from 0 to 1 but is 5');
    expect(() => new MinMaxObserver().parameters()).toThrow('nothing was observed yet');
    const observer = new MinMaxObserver({ axis: 0 });
    await observer.observe(tensor([1, 2]));
    await expect(observer.observe(tensor([1, 2, 3]))).rejects.toThrow('has seen 2 channels but x has 3');
    await expect(new MinMaxObserver({ axis: 5 }).observe(tensor([1]))).rejects.toThrow('dimension 5 is out of range');
  });
});
