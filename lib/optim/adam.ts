// Adam and its relatives: steps along the averaged gradient, divided by its size.
import { TilegradError } from '../error.ts';
import { adamaxUpdate, adamUpdate, nadamUpdate, radamUpdate } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type ParamGroup, type Params, type UpdateBatch } from './optimizer.ts';

/** Options that the relatives of Adam share. */
export interface AdaptiveOptions {
  /** Step size. Default: 0.001; of Adamax and NAdam 0.002. */
  readonly lr?: number | undefined;
  /** Decay of the averages of the gradient and of its square. Default: [0.9, 0.999]. */
  readonly betas?: readonly [number, number] | undefined;
  /** Keeps the divisor from 0. Default: 1e-8. */
  readonly eps?: number | undefined;
  /** Adds this multiple of the parameter to its gradient. Default: 0. */
  readonly weightDecay?: number | undefined;
  /** Goes uphill instead. Default: false. */
  readonly maximize?: boolean | undefined;
}

/** Options of `Adam` and `AdamW`. */
export interface AdamOptions extends AdaptiveOptions {
  /** Divides by the largest average so far (Reddi et al. 2018). Default: false. */
  readonly amsgrad?: boolean | undefined;
}

const shared = {
  lr: 1e-3,
  betas: [0.9, 0.999] as readonly [number, number],
  eps: 1e-8,
  weightDecay: 0,
  maximize: false,
};

abstract class Adaptive<O extends AdaptiveOptions> extends Optimizer<O> {
  protected override check(group: ParamGroup<O>): void {
    super.check(group);
    this.require(group, 'eps', 0);
    this.require(group, 'weightDecay', 0);
    const { betas } = group;
    if (!Array.isArray(betas) || betas.length !== 2 || !betas.every((beta) => beta >= 0 && beta < 1))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${this.constructor.name}: betas must be two numbers from 0 to below 1 but is ${String(betas)}`,
      );
  }

  protected settings(group: ParamGroup<O>, { step, masks }: UpdateBatch) {
    const { lr, betas, eps, weightDecay, maximize } = group as ParamGroup<AdaptiveOptions>;
    return { lr, beta1: betas[0], beta2: betas[1], eps, weightDecay, maximize, step, masks };
  }
}

const averages = (states: UpdateBatch['states']) => ({
  expAvg: states.expAvg as Tensor[],
  expAvgSq: states.expAvgSq as Tensor[],
  maxExpAvgSq: states.maxExpAvgSq,
});

/** Adam (Kingma and Ba 2015): the weight decay is part of the gradient. As torch.optim.Adam. */
export class Adam extends Adaptive<AdamOptions> {
  constructor(params: Params<AdamOptions>, options: AdamOptions = {}) {
    super(params, options, { ...shared, amsgrad: false });
  }

  protected override states({ amsgrad }: ParamGroup<AdamOptions>): Record<string, number> {
    return amsgrad ? { expAvg: 0, expAvgSq: 0, maxExpAvgSq: 0 } : { expAvg: 0, expAvgSq: 0 };
  }

  protected override update(group: ParamGroup<AdamOptions>, batch: UpdateBatch): void {
    const settings = { ...this.settings(group, batch), amsgrad: group.amsgrad };
    adamUpdate(batch.params, batch.grads, averages(batch.states), settings);
  }
}

/**
 * Adam whose weight decay (0.01 by default) shrinks the parameters themselves (Loshchilov and Hutter 2019). As
 * torch.optim.AdamW.
 */
export class AdamW extends Adaptive<AdamOptions> {
  constructor(params: Params<AdamOptions>, options: AdamOptions = {}) {
    super(params, options, { ...shared, weightDecay: 0.01, amsgrad: false });
  }

  protected override states({ amsgrad }: ParamGroup<AdamOptions>): Record<string, number> {
    return amsgrad ? { expAvg: 0, expAvgSq: 0, maxExpAvgSq: 0 } : { expAvg: 0, expAvgSq: 0 };
  }

  protected override update(group: ParamGroup<AdamOptions>, batch: UpdateBatch): void {
    const settings = { ...this.settings(group, batch), amsgrad: group.amsgrad, decoupled: true };
    adamUpdate(batch.params, batch.grads, averages(batch.states), settings);
  }
}

/** Adam that divides by the largest recent gradient (Kingma and Ba 2015, section 7). As torch.optim.Adamax. */
export class Adamax extends Adaptive<AdaptiveOptions> {
  constructor(params: Params<AdaptiveOptions>, options: AdaptiveOptions = {}) {
    super(params, options, { ...shared, lr: 2e-3 });
  }

  protected override states(): Record<string, number> {
    return { expAvg: 0, expInf: 0 };
  }

  protected override update(group: ParamGroup<AdaptiveOptions>, batch: UpdateBatch): void {
    const states = { expAvg: batch.states.expAvg as Tensor[], expInf: batch.states.expInf as Tensor[] };
    adamaxUpdate(batch.params, batch.grads, states, this.settings(group, batch));
  }
}

/** Options of `NAdam`. */
export interface NAdamOptions extends AdaptiveOptions {
  /** How fast the momentum grows to betas[0]. Default: 0.004. */
  readonly momentumDecay?: number | undefined;
}

/** Adam with Nesterov's momentum (Dozat 2016). As torch.optim.NAdam. */
export class NAdam extends Adaptive<NAdamOptions> {
  constructor(params: Params<NAdamOptions>, options: NAdamOptions = {}) {
    super(params, options, { ...shared, lr: 2e-3, momentumDecay: 4e-3 });
  }

  protected override states(): Record<string, number> {
    return { expAvg: 0, expAvgSq: 0 };
  }

  protected override update(group: ParamGroup<NAdamOptions>, batch: UpdateBatch): void {
    const { momentumDecay } = group;
    const settings = this.settings(group, batch);
    const momentum = settings.beta1 * (1 - 0.5 * 0.96 ** (batch.step * momentumDecay));
    // Parameters with the same number of steps in a group have the same product, unless a state dict says otherwise.
    const byProduct = new Map<number, number[]>();
    batch.params.forEach((param, i) => {
      const state = this._stateOf(param);
      const product = ((state.muProduct as number | undefined) ?? 1) * momentum;
      state.muProduct = product;
      byProduct.set(product, [...(byProduct.get(product) ?? []), i]);
    });
    for (const [muProduct, positions] of byProduct) {
      const pick = <T>(list: T[]): T[] => positions.map((i) => list[i] as T);
      const { expAvg, expAvgSq } = averages(batch.states);
      nadamUpdate(
        pick(batch.params),
        pick(batch.grads),
        { expAvg: pick(expAvg), expAvgSq: pick(expAvgSq) },
        { ...settings, masks: pick(batch.masks), momentumDecay, muProduct },
      );
    }
  }
}

/** Adam that begins without its divisor while that is uncertain (Liu et al. 2020). As torch.optim.RAdam. */
export class RAdam extends Adaptive<AdaptiveOptions> {
  constructor(params: Params<AdaptiveOptions>, options: AdaptiveOptions = {}) {
    super(params, options, shared);
  }

  protected override states(): Record<string, number> {
    return { expAvg: 0, expAvgSq: 0 };
  }

  protected override update(group: ParamGroup<AdaptiveOptions>, batch: UpdateBatch): void {
    radamUpdate(batch.params, batch.grads, averages(batch.states), this.settings(group, batch));
  }
}
