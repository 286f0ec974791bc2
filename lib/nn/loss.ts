// Losses as modules: each takes predictions and targets.
import { checkOptions } from '../error.ts';
import { type CrossEntropyOptions, crossEntropy, type NllLossOptions, nllLoss } from '../ops/index.ts';
import { Tensor } from '../tensor.ts';
import { Module } from './module.ts';
import { Buffer } from './parameter.ts';

/** A loss with settings; tensors among them become buffers, so that they move with the module. */
abstract class Loss<O extends object> extends Module<[Tensor, Tensor], Tensor> {
  readonly options: Readonly<O>;

  constructor(options: O, known: readonly (keyof O & string)[]) {
    super();
    checkOptions(this.constructor.name, options, known);
    const entries = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
    this.options = Object.fromEntries(entries.filter(([, value]) => !(value instanceof Tensor))) as O;
    for (const [name, value] of entries)
      if (value instanceof Tensor) (this as unknown as Record<string, unknown>)[name] = new Buffer(value);
  }

  override extraRepr(): string {
    return Object.entries(this.options)
      .map(([name, value]) => `${name}=${value}`)
      .join(', ');
  }
}

/**
 * Cross-entropy of logits (N, C, ...) against class indices (N, ...) or probabilities. Options as of `crossEntropy`. As
 * torch.nn.CrossEntropyLoss.
 */
export class CrossEntropyLoss extends Loss<CrossEntropyOptions> {
  declare readonly weight?: Buffer;

  constructor(options: CrossEntropyOptions = {}) {
    super(options, ['weight', 'reduction', 'ignoreIndex', 'labelSmoothing']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, { ...this.options, weight: this.weight });
  }
}

/** The negative of log-probabilities (N, C, ...) at class indices (N, ...). As torch.nn.NLLLoss. */
export class NLLLoss extends Loss<NllLossOptions> {
  declare readonly weight?: Buffer;

  constructor(options: NllLossOptions = {}) {
    super(options, ['weight', 'reduction', 'ignoreIndex']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return nllLoss(input, target, { ...this.options, weight: this.weight });
  }
}
