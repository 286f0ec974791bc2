// The setting that lets 3 x 3 convolutions be computed by Winograd's algorithm, on the CPU.
import { conv2d, grad, isWinogradEnabled, manualSeed, randn, setWinograd, type Tensor } from 'tilegrad';
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
