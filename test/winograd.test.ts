// The setting that lets 3 x 3 convolutions be computed by Winograd's algorithm, on the CPU.
import { conv2d, grad, isWinogradEnabled, manualSeed, randn, setWinograd, type Tensor, tensor } from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

afterEach(() => setWinograd(true));

function inputs(): [x: Tensor, weight: Tensor] {
  manualSeed(3);
  return [randn([2, 64, 14, 15], { device: 'cpu' }), randn([32, 64, 3, 3], { device: 'cpu' })];
}

const bits = (x: Tensor): Uint32Array => new Uint32Array((x.dataSync() as Float32Array).slice().buffer);

describe('setWinograd', () => {
  test('is on at first and rejects what is no boolean', () => {
    expect(isWinogradEnabled()).toBe(true);
    setWinograd(false);
    expect(isWinogradEnabled()).toBe(false);
    expect(() => setWinograd(1 as never)).toThrow('setWinograd: expects true or false but got 1');
  });

  test('changes rounding errors alone', () => {
    const [x, weight] = inputs();
    const tiled = conv2d(x, weight, { padding: 1 }).dataSync() as Float32Array;
    setWinograd(false);
    const plain = conv2d(x, weight, { padding: 1 }).dataSync() as Float32Array;
    const largest = plain.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    const error = plain.reduce((most, y, i) => Math.max(most, Math.abs(y - (tiled[i] as number))), 0);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(1e-5 * largest);
  });

  test('goes with the call into the gradient', () => {
    const [x, weight] = inputs();
    const gradients = [true, false, true].map((then, i) => {
      setWinograd(i === 2 ? false : then);
      x.requiresGrad = true;
      const y = conv2d(x, weight, { padding: 1 });
      setWinograd(then);
      return bits(grad(y.sum(), x)[0] as Tensor);
    });
    expect(gradients[0]).not.toEqual(gradients[1]);
    expect(gradients[2]).toEqual(gradients[1]);
  });
});

describe("Winograd's weight gradient", () => {
  type Case = readonly [n: number, c: number, h: number, w: number, k: number, groups: number];
  const cases: readonly Case[] = [
    [2, 64, 14, 15, 32, 1],
    [3, 100, 9, 33, 70, 1],
    [1, 24, 6, 230, 15, 1],
    [4, 48, 13, 8, 32, 2],
  ];

  /** The gradient by the weight of a sum weighted at random, with and without the algorithm. */
  function gradients([n, c, h, w, k, groups]: Case, spoil?: (x: Float32Array) => void): Float32Array[] {
    manualSeed(7);
    const values = randn([n, c, h, w]).dataSync().slice() as Float32Array;
    spoil?.(values);
    const x = tensor(values, { shape: [n, c, h, w], device: 'cpu' });
    const weight = randn([k, c / groups, 3, 3], { device: 'cpu', requiresGrad: true });
    const factor = randn([n, k, h, w], { device: 'cpu' });
    return [true, false].map((enabled) => {
      setWinograd(enabled);
      const y = conv2d(x, weight, { padding: 1, groups });
      return (grad(y.mul(factor).sum(), weight)[0] as Tensor).dataSync().slice() as Float32Array;
    });
  }

  test.each(cases)('changes rounding errors alone: %i x %i x %i x %i to %i, %i groups', (...given) => {
    const [tiled, plain] = gradients(given) as [Float32Array, Float32Array];
    const largest = plain.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    const error = plain.reduce((most, y, i) => Math.max(most, Math.abs(y - (tiled[i] as number))), 0);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(1e-5 * largest);
  });

  test('leaves what is not finite where the plain sum has it', () => {
    const [tiled, plain] = gradients(cases[0] as Case, (x) => {
      x[14 * 15 + 3] = Number.POSITIVE_INFINITY;
      x[2 * 14 * 15] = Number.NaN;
    }) as [Float32Array, Float32Array];
    expect(plain.some(Number.isNaN) && plain.some(Number.isFinite)).toBe(true);
    expect(tiled).toEqual(plain);
  });
});
