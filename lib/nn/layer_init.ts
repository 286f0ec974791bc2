// How layers begin.
import type { Tensor } from '../tensor.ts';
import { fanInAndFanOut, kaimingUniform_, uniform_ } from './init.ts';

/** PyTorch's default of linear and convolutional layers: weight and bias uniform within 1 / sqrt(fanIn). */
export function initialiseLayer(weight: Tensor, bias: Tensor | null): void {
  kaimingUniform_(weight, { a: Math.sqrt(5) });
  if (!bias) return;
  const { fanIn } = fanInAndFanOut(weight.shape);
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  uniform_(bias, -bound, bound);
}
