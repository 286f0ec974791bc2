// Losses as modules: each takes predictions and targets.
import { checkOptions } from '../error.ts';
import { type CrossEntropyOptions, crossEntropy, type NllLossOptions, nllLoss } from '../ops/index.ts';
import { Tensor } from '../tensor.ts';
import {
  type BinaryCrossEntropyOptions,
  type BinaryCrossEntropyWithLogitsOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  type HuberLossOptions,
  huberLoss,
  type KlDivOptions,
  klDiv,
  type LossOptions,
  l1Loss,
  mseLoss,
  type PoissonNllLossOptions,
  poissonNllLoss,
  type SmoothL1LossOptions,
  smoothL1Loss,
} from './functional/loss.ts';
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

/** Squared differences. As torch.nn.MSELoss. */
export class MSELoss extends Loss<LossOptions> {
  constructor(options: LossOptions = {}) {
    super(options, ['reduction']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.options);
  }
}

/** Absolute differences. As torch.nn.L1Loss. */
export class L1Loss extends Loss<LossOptions> {
  constructor(options: LossOptions = {}) {
    super(options, ['reduction']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.options);
  }
}

/** Squared below `beta` (1), absolute above. As torch.nn.SmoothL1Loss. */
export class SmoothL1Loss extends Loss<SmoothL1LossOptions> {
  constructor(options: SmoothL1LossOptions = {}) {
    super(options, ['reduction', 'beta']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.options);
  }
}

/** Squared below `delta` (1), `delta` times absolute above. As torch.nn.HuberLoss. */
export class HuberLoss extends Loss<HuberLossOptions> {
  constructor(options: HuberLossOptions = {}) {
    super(options, ['reduction', 'delta']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, this.options);
  }
}

/** Binary cross-entropy of probabilities. As torch.nn.BCELoss. */
export class BCELoss extends Loss<BinaryCrossEntropyOptions> {
  declare readonly weight?: Buffer;

  constructor(options: BinaryCrossEntropyOptions = {}) {
    super(options, ['weight', 'reduction']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropy(input, target, { ...this.options, weight: this.weight });
  }
}

/** Binary cross-entropy of logits. As torch.nn.BCEWithLogitsLoss. */
export class BCEWithLogitsLoss extends Loss<BinaryCrossEntropyWithLogitsOptions> {
  declare readonly weight?: Buffer;
  static override readonly stateNames = { posWeight: 'pos_weight' };
  declare readonly posWeight?: Buffer;

  constructor(options: BinaryCrossEntropyWithLogitsOptions = {}) {
    super(options, ['weight', 'reduction', 'posWeight']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, {
      ...this.options,
      weight: this.weight,
      posWeight: this.posWeight,
    });
  }
}

/** Divergence of targets from log-probabilities. As torch.nn.KLDivLoss. */
export class KLDivLoss extends Loss<KlDivOptions> {
  constructor(options: KlDivOptions = {}) {
    super(options, ['reduction', 'logTarget']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return klDiv(input, target, this.options);
  }
}

/** Negative log-likelihood of counts. As torch.nn.PoissonNLLLoss. */
export class PoissonNLLLoss extends Loss<PoissonNllLossOptions> {
  constructor(options: PoissonNllLossOptions = {}) {
    super(options, ['logInput', 'full', 'eps', 'reduction']);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return poissonNllLoss(input, target, this.options);
  }
}
