// One step of an optimiser over all parameters: those of LeNet-5, where the call counts, and one of 16 million elements,
// where the memory does.
import { adamUpdate, type Device, sgdUpdate, type Shape, type Tensor, zerosLike } from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

const lenet = [[6, 1, 5, 5], [6], [16, 6, 5, 5], [16], [120, 256], [120], [84, 120], [84], [10, 84], [10]];
const models: [string, Shape[]][] = [
  ['LeNet-5', lenet],
  ['4096x4096', [[4096, 4096]]],
];

const numelOf = (shapes: readonly Shape[]) =>
  shapes.reduce((sum, shape) => sum + shape.reduce((n, size) => n * size, 1), 0);

function row(
  name: string,
  shapes: readonly Shape[],
  arrays: number,
  torch: Record<string, unknown>,
  step: (params: Tensor[], grads: Tensor[]) => () => void,
): BenchRow {
  return {
    name,
    bytes: 4 * arrays * numelOf(shapes),
    prepare: (device: Device) => {
      const make = () => shapes.map((shape) => randomTensor(shape, device));
      return step(make(), make());
    },
    torch: { kind: 'optimizer_step', shapes, ...torch },
  };
}

const rows = (): BenchRow[] =>
  models.flatMap(([model, shapes]) => [
    row(
      `SGD with momentum, ${model}`,
      shapes,
      5,
      { name: 'SGD', options: { lr: 0.001, momentum: 0.9 } },
      (params, grads) => {
        const buffers = params.map((x) => zerosLike(x));
        return () => sgdUpdate(params, grads, buffers, { lr: 0.001, momentum: 0.9 });
      },
    ),
    row(`Adam, ${model}`, shapes, 7, { name: 'Adam', options: { lr: 0.001 } }, (params, grads) => {
      const states = { expAvg: params.map((x) => zerosLike(x)), expAvgSq: params.map((x) => zerosLike(x)) };
      let count = 0;
      return () => {
        count += 1;
        adamUpdate(params, grads, states, { lr: 0.001, step: count });
      };
    }),
  ]);

export const optimizers: BenchSuite = { name: 'optim', rows };
