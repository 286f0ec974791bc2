// Layers that drop elements while training.
import { checkOptions, TilegradError } from '../error.ts';
import { dropout } from '../ops/index.ts';
import type { Generator } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { SameShape } from './module.ts';

/** Options of `Dropout`. */
export interface DropoutOptions {
  /** Where the numbers come from. Default: the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/**
 * In training, each element times 0 with chance `p` (0.5), else times 1 / (1 - p); in evaluation, the input as it is. As
 * torch.nn.Dropout.
 */
export class Dropout extends SameShape {
  readonly p: number;
  readonly #generator: Generator | undefined;

  constructor(p = 0.5, options: DropoutOptions = {}) {
    super();
    checkOptions('Dropout', options, ['generator']);
    if (!(p >= 0 && p <= 1)) throw new TilegradError('ERR_ARGUMENT', `Dropout: p must be from 0 to 1 but is ${p}`);
    this.p = p;
    this.#generator = options.generator;
  }

  forward(x: Tensor): Tensor {
    return dropout(x, this.p, { training: this.training, generator: this.#generator });
  }

  override extraRepr(): string {
    return `p=${this.p}`;
  }
}
