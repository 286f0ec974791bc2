// One step of each optimiser over all parameters in one call, in place. lib/optim keeps the states and calls these.
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** What every update takes. */
export interface MaskedOptions {
  /** For each parameter null or its mask (bool, in its shape): where it is false, parameter and states become 0. Default: none. */
  masks?: readonly (Tensor | null)[] | undefined;
}

/** Options of every update; coefficients are plain numbers, so a schedule may change them at each step. */
export interface UpdateOptions extends MaskedOptions {
  /** Learning rate. */
  lr: number;
  /** Adds `weightDecay * parameter` to the gradient. Default 0. */
  weightDecay?: number | undefined;
  /** Climbs instead of descending. Default false. */
  maximize?: boolean | undefined;
}

/** Parameters, gradients or states, one tensor for each parameter. */
export type Tensors = readonly Tensor[];

// An op takes at most 4096 tensors: so many parameters of up to 5 arrays and a mask.
const batch = 680;

const shared = ['lr', 'weightDecay', 'maximize'] as const;

/**
 * Defines `<name>_update` with these options and masks: `states` gives the lists of states that they call for, `attrs` the
 * attributes.
 */
function updateOp<O extends MaskedOptions, S>(
  name: string,
  known: readonly (keyof O & string)[],
  states: (given: S, options: O) => readonly Tensors[],
  attrs: (options: O) => Attrs & { masked: boolean },
): (params: Tensors, grads: Tensors, given: S, options: O) => void {
  const names = [...known, 'masks'];
  return defineOp(`${name}_update`, {
    call: (run) => (params: Tensors, grads: Tensors, given: S, options: O) => {
      checkOptions(`${name}Update`, options, names);
      const lists: (readonly (Tensor | null)[])[] = [params, ...states(given, options), grads];
      const masked = options.masks?.some((mask) => mask !== null) ?? false;
      if (masked) lists.push(options.masks ?? []);
      for (const list of lists)
        if (list?.length !== params.length)
          throw new TilegradError(
            'ERR_ARGUMENT',
            `${name}_update: expects ${lists.length} lists of ${params.length} tensors but one has ${list?.length ?? 'no'}`,
          );
      const values = masked ? { ...attrs(options), masked } : attrs(options);
      if (params.length <= batch) {
        run.all(lists.flat(), values);
        return;
      }
      for (let at = 0; at < params.length; at += batch)
        run.all(
          lists.flatMap((list) => list.slice(at, at + batch)),
          values,
        );
    },
    // The gradients stand at the end, before masks, and are only read.
    writes: (count, values) => {
      const lists = listCount(name, values);
      return (count / (lists + Number(values.masked))) * (lists - 1);
    },
    grad: 'none',
    onnx: 'none',
  });
}

function listCount(name: string, values: Attrs): number {
  if (name === 'sgd') return values.momentum === 0 ? 2 : 3;
  if (name === 'adam') return values.amsgrad ? 5 : 4;
  if (name === 'rmsprop') return 3 + Number(values.centered) + Number(values.momentum !== 0);
  return name === 'adagrad' || name === 'asgd' ? 3 : 4;
}

const common = ({ lr, weightDecay = 0, maximize = false }: UpdateOptions) => ({
  lr,
  weightDecay,
  maximize,
  masked: false,
});

/** Options of `sgdUpdate`. */
export interface SgdOptions extends UpdateOptions {
  /** Default 0. */
  momentum?: number | undefined;
  /** Default 0. */
  dampening?: number | undefined;
  /** Default false. */
  nesterov?: boolean | undefined;
  /** The first step: the momentum buffers take the gradients and are not read. Default false. */
  first?: boolean | undefined;
}

/**
 * One step of stochastic gradient descent on all `params`, in place. `buffers` are the momentum buffers, null without
 * momentum. All tensors of a parameter share its shape and dtype; f16 and bf16 are computed in f32. Throws ERR_ARGUMENT
 * for lists of different lengths, ERR_SHAPE and ERR_DTYPE for tensors that do not match. As torch.optim.SGD.
 */
export const sgdUpdate = updateOp(
  'sgd',
  [...shared, 'momentum', 'dampening', 'nesterov', 'first'],
  (buffers: Tensors | null, { momentum = 0 }: SgdOptions) => (momentum === 0 ? [] : [buffers ?? []]),
  (options) => {
    const {
      lr,
      weightDecay = 0,
      maximize = false,
      momentum = 0,
      dampening = 0,
      nesterov = false,
      first = false,
    } = options;
    return { lr, weightDecay, maximize, masked: false, momentum, dampening, nesterov, first };
  },
);

/** Options of `adamUpdate`. */
export interface AdamOptions extends UpdateOptions {
  /** Default 0.9. */
  beta1?: number | undefined;
  /** Default 0.999. */
  beta2?: number | undefined;
  /** Default 1e-8. */
  eps?: number | undefined;
  /** Keeps the largest second moment in `maxExpAvgSq`. Default false. */
  amsgrad?: boolean | undefined;
  /** Shrinks the parameters by `lr * weightDecay` instead of adding to the gradient (AdamW). Default false. */
  decoupled?: boolean | undefined;
  /** Number of this step, from 1. */
  step: number;
}

/** What `adamUpdate` keeps beside the parameters. */
export interface AdamStates {
  expAvg: Tensors;
  expAvgSq: Tensors;
  maxExpAvgSq?: Tensors | undefined;
}

const averaged = ['beta1', 'beta2', 'eps', 'step'] as const;
const betas = ({ beta1 = 0.9, beta2 = 0.999, eps = 1e-8, step }: AdamOptions) => ({ beta1, beta2, eps, step });

/** One step of Adam or, decoupled, AdamW on all `params`, in place. Errors as {@link sgdUpdate}. As torch.optim.Adam. */
export const adamUpdate = updateOp(
  'adam',
  [...shared, ...averaged, 'amsgrad', 'decoupled'],
  ({ expAvg, expAvgSq, maxExpAvgSq }: AdamStates, { amsgrad = false }: AdamOptions) =>
    amsgrad ? [expAvg, expAvgSq, maxExpAvgSq ?? []] : [expAvg, expAvgSq],
  (options) => {
    const { amsgrad = false, decoupled = false } = options;
    return { ...common(options), ...betas(options), amsgrad, decoupled };
  },
);

/** Options of `rmspropUpdate`. */
export interface RmspropOptions extends UpdateOptions {
  /** Default 0.99. */
  alpha?: number | undefined;
  /** Default 1e-8. */
  eps?: number | undefined;
  /** Default 0. */
  momentum?: number | undefined;
  /** Divides by the standard deviation instead of the root mean square. Default false. */
  centered?: boolean | undefined;
}

/** What `rmspropUpdate` keeps beside the parameters. */
export interface RmspropStates {
  squareAvg: Tensors;
  gradAvg?: Tensors | undefined;
  momentumBuffer?: Tensors | undefined;
}

/** One step of RMSprop on all `params`, in place. Errors as {@link sgdUpdate}. As torch.optim.RMSprop. */
export const rmspropUpdate = updateOp(
  'rmsprop',
  [...shared, 'alpha', 'eps', 'momentum', 'centered'],
  (
    { squareAvg, gradAvg, momentumBuffer }: RmspropStates,
    { centered = false, momentum = 0 }: RmspropOptions,
  ): readonly Tensors[] => [
    squareAvg,
    ...(centered ? [gradAvg ?? []] : []),
    ...(momentum === 0 ? [] : [momentumBuffer ?? []]),
  ],
  (options) => {
    const { alpha = 0.99, eps = 1e-8, momentum = 0, centered = false } = options;
    return { ...common(options), alpha, eps, momentum, centered };
  },
);

/** Options of `adagradUpdate`. */
export interface AdagradOptions extends UpdateOptions {
  /** Default 0. */
  lrDecay?: number | undefined;
  /** Default 1e-10. */
  eps?: number | undefined;
  /** Number of this step, from 1. */
  step: number;
}

/** One step of Adagrad on all `params`, in place; `sum` starts at the initial accumulator value. As torch.optim.Adagrad. */
export const adagradUpdate = updateOp(
  'adagrad',
  [...shared, 'lrDecay', 'eps', 'step'],
  ({ sum }: { sum: Tensors }) => [sum],
  (options: AdagradOptions) => {
    const { lrDecay = 0, eps = 1e-10, step } = options;
    return { ...common(options), lrDecay, eps, step };
  },
);

/** Options of `adadeltaUpdate`. */
export interface AdadeltaOptions extends UpdateOptions {
  /** Default 0.9. */
  rho?: number | undefined;
  /** Default 1e-6. */
  eps?: number | undefined;
}

/** One step of Adadelta on all `params`, in place. As torch.optim.Adadelta. */
export const adadeltaUpdate = updateOp(
  'adadelta',
  [...shared, 'rho', 'eps'],
  ({ squareAvg, accDelta }: { squareAvg: Tensors; accDelta: Tensors }) => [squareAvg, accDelta],
  (options: AdadeltaOptions) => {
    const { rho = 0.9, eps = 1e-6 } = options;
    return { ...common(options), rho, eps };
  },
);

/** One step of Adamax on all `params`, in place; without amsgrad and decoupled. As torch.optim.Adamax. */
export const adamaxUpdate = updateOp(
  'adamax',
  [...shared, ...averaged],
  ({ expAvg, expInf }: { expAvg: Tensors; expInf: Tensors }) => [expAvg, expInf],
  (options: Omit<AdamOptions, 'amsgrad' | 'decoupled'>) => ({ ...common(options), ...betas(options) }),
);

/** Options of `nadamUpdate`. */
export interface NadamOptions extends Omit<AdamOptions, 'amsgrad' | 'decoupled'> {
  /** Default 0.004. */
  momentumDecay?: number | undefined;
  /** The product of beta1 (1 - 0.5 * 0.96^(t momentumDecay)) over the steps t = 1 to this one. */
  muProduct: number;
}

/** One step of NAdam on all `params`, in place. As torch.optim.NAdam. */
export const nadamUpdate = updateOp(
  'nadam',
  [...shared, ...averaged, 'momentumDecay', 'muProduct'],
  ({ expAvg, expAvgSq }: AdamStates) => [expAvg, expAvgSq],
  (options: NadamOptions) => {
    const { momentumDecay = 0.004, muProduct } = options;
    return { ...common(options), ...betas(options), momentumDecay, muProduct };
  },
);

/** One step of RAdam on all `params`, in place. As torch.optim.RAdam. */
export const radamUpdate = updateOp(
  'radam',
  [...shared, ...averaged],
  ({ expAvg, expAvgSq }: AdamStates) => [expAvg, expAvgSq],
  (options: Omit<AdamOptions, 'amsgrad' | 'decoupled'>) => ({ ...common(options), ...betas(options) }),
);

/** Options of `rpropUpdate`. */
export interface RpropOptions extends MaskedOptions {
  /** Factors of a step size whose gradient changed or kept its sign. Default [0.5, 1.2]. */
  etas?: readonly [number, number] | undefined;
  /** Bounds of a step size. Default [1e-6, 50]. */
  stepSizes?: readonly [number, number] | undefined;
  /** Climbs instead of descending. Default false. */
  maximize?: boolean | undefined;
}

/** One step of Rprop on all `params`, in place; `stepSize` starts at the learning rate, `prev` at 0. As torch.optim.Rprop. */
export const rpropUpdate = updateOp(
  'rprop',
  ['etas', 'stepSizes', 'maximize'],
  ({ prev, stepSize }: { prev: Tensors; stepSize: Tensors }) => [prev, stepSize],
  ({ etas = [0.5, 1.2], stepSizes = [1e-6, 50], maximize = false }: RpropOptions) => ({
    maximize,
    masked: false,
    shrink: etas[0],
    grow: etas[1],
    least: stepSizes[0],
    most: stepSizes[1],
  }),
);

/** Options of `asgdUpdate`. */
export interface AsgdOptions extends UpdateOptions {
  /** Default 1e-4. */
  lambd?: number | undefined;
  /** Default 0.75. */
  alpha?: number | undefined;
  /** The step from which on the average is taken. Default 1e6. */
  t0?: number | undefined;
  /** Number of this step, from 1. */
  step: number;
}

/** One step of averaged gradient descent on all `params`, in place. As torch.optim.ASGD. */
export const asgdUpdate = updateOp(
  'asgd',
  [...shared, 'lambd', 'alpha', 't0', 'step'],
  ({ ax }: { ax: Tensors }) => [ax],
  (options: AsgdOptions) => {
    const { lambd = 1e-4, alpha = 0.75, t0 = 1e6, step } = options;
    return { ...common(options), lambd, alpha, t0, step };
  },
);
