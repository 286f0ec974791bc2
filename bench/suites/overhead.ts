// What a call costs before any kernel runs: ops on tensors of one element.
import { add, type Device, tidy } from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

// Many calls share one scope, as they do in a training step.
export const calls = 50;

/** Many additions of two tensors of one element. */
export function smallAdd(name: string, grad: boolean): BenchRow {
  return {
    name: `${name}, ${calls} calls`,
    prepare: (device: Device) => {
      const a = randomTensor([1], device);
      const b = randomTensor([1], device);
      a.requiresGrad = grad;
      return () =>
        tidy(() => {
          for (let i = 0; i < calls; i++) add(a, b);
        });
    },
    torch: { kind: 'small_add', grad, shape: [1], calls },
  };
}

export const overhead: BenchSuite = {
  name: 'overhead',
  rows: () => [smallAdd('add of one element', false), smallAdd('add of one element, recorded', true)],
};
