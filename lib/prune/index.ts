// Pruning the parameters of modules, with PyTorch's meaning: the parameter moves to `<name>_orig`, its mask becomes the
// buffer `<name>_mask`, and before every forward `<name>` is their product. Optimisers keep what the mask drops at 0.
import { checkOptions, describeValue, TilegradError } from '../error.ts';
import { isGradEnabled, noGrad } from '../graph.ts';
import { type AnyModule, Buffer, Linear, Parameter } from '../nn/index.ts';
import { expectModule, replaceModules } from '../nn/replace.ts';
import { setPruningMask } from '../nn/parameter.ts';
import { assign, cast, magnitudeMask, nmMask, rand, sum, where } from '../ops/index.ts';
import type { Generator } from '../random.ts';
import { keep, tidy } from '../scope.ts';
import { Tensor } from '../tensor.ts';
import { type CompactOptions, SparseLinear, worthCompacting } from './sparse_linear.ts';
import { type Amount, globalL1, l1, ln, random, randomSlices } from './masks.ts';

export { type CompactOptions, SparseLinear } from './sparse_linear.ts';
export type { Amount, MaskOptions, RandomMaskOptions } from './masks.ts';
/** The masks alone: which elements of a tensor to drop. */
export * as masks from './masks.ts';

type Fields = Record<string, unknown>;

const unhook = new WeakMap<AnyModule, Map<string, () => void>>();
const fields = (module: AnyModule): Fields => module as unknown as Fields;

/** The parameter before pruning, and its mask so far. */
function target(user: string, module: AnyModule, name: string): { values: Parameter; mask: Tensor | null } {
  expectModule(user, module);
  const pruned = unhook.get(module)?.has(name) ?? false;
  const values = fields(module)[pruned ? `${name}_orig` : name];
  if (!(values instanceof Parameter)) {
    const known = module.namedParameters({ recurse: false }).map(([own]) => own);
    const has = known.length > 0 ? `it has ${known.join(', ')}` : 'it has none of its own';
    throw new TilegradError('ERR_ARGUMENT', `${user}: ${module.constructor.name} has no parameter '${name}'; ${has}`);
  }
  return { values, mask: pruned ? (fields(module)[`${name}_mask`] as Tensor) : null };
}

// What a product was made of that no gradient flows through: it serves until one of the two changes.
const madeOf = new WeakMap<Tensor, readonly unknown[]>();
const stateOf = (x: Tensor): unknown[] => [x._storage, x._storage?.base.version];

function refresh(module: AnyModule, name: string): void {
  const own = fields(module);
  const before = own[name];
  const values = own[`${name}_orig`] as Parameter;
  const mask = own[`${name}_mask`] as Tensor;
  const state = isGradEnabled() && values.requiresGrad ? null : [...stateOf(values), ...stateOf(mask)];
  if (before instanceof Tensor && before._storage && state) {
    const known = madeOf.get(before);
    if (known?.every((part, i) => part === state[i])) return;
  }
  // Gradients flow where the mask does; where() gives plain zeros, also for infinite values.
  const product = keep(tidy(() => where(mask, values, 0)));
  if (state) madeOf.set(product, state);
  own[name] = product;
  if (before instanceof Tensor) before.dispose();
}

/** Prunes by a mask (bool, true = kept) made outside; with an earlier mask, what either drops is dropped. As torch.nn.utils.prune.custom_from_mask. */
export function customFromMask<M extends AnyModule>(module: M, name: string, mask: Tensor): M {
  const { values, mask: before } = target('prune.customFromMask', module, name);
  if (!(mask instanceof Tensor))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `prune.customFromMask: the mask must be a tensor but is ${describeValue(mask)}`,
    );
  if (mask.dtype !== 'bool' || mask.shape.join() !== values.shape.join())
    throw new TilegradError(
      'ERR_SHAPE',
      `prune: the mask of '${name}' must be bool of shape [${values.shape.join(', ')}] but is ${mask.dtype} of shape [${mask.shape.join(', ')}]`,
    );
  const own = fields(module);
  if (before) {
    noGrad(() => tidy(() => assign(before, where(before, mask, before))));
  } else {
    delete own[name];
    own[`${name}_orig`] = values;
    own[`${name}_mask`] = new Buffer(mask);
    setPruningMask(values, own[`${name}_mask`] as Buffer);
    const removers = unhook.get(module) ?? new Map<string, () => void>();
    unhook.set(module, removers);
    const hook = (): undefined => refresh(module, name) as undefined;
    removers.set(
      name,
      (module as { registerForwardPreHook(h: () => undefined): () => void }).registerForwardPreHook(hook),
    );
  }
  noGrad(() => refresh(module, name));
  return module;
}

/** Options of the functions that prune by magnitude. */
export interface ScoreOptions {
  /** Decides in the parameter's place, in its shape; a float dtype. Default: the parameter itself. */
  readonly importanceScores?: Tensor | null | undefined;
}

/** What decides: the scores that were given, else the values as the mask so far leaves them. */
function scoresOf(user: string, values: Tensor, mask: Tensor | null, given: Tensor | null | undefined): Tensor {
  if (!given) return mask ? where(mask, values, 0) : values;
  if (given.shape.join() !== values.shape.join())
    throw new TilegradError(
      'ERR_SHAPE',
      `${user}: importanceScores must have shape [${values.shape.join(', ')}] but have [${given.shape.join(', ')}]`,
    );
  return given;
}

function prune<M extends AnyModule>(
  user: string,
  module: M,
  name: string,
  make: (values: Parameter, mask: Tensor | null) => Tensor,
): M {
  const { values, mask } = target(user, module, name);
  const made = noGrad(() => tidy(() => make(values, mask)));
  customFromMask(module, name, made);
  made.dispose();
  return module;
}

/** Prunes nothing yet: the mask keeps every element, for `loadStateDict`, say. As torch.nn.utils.prune.identity. */
export function identity<M extends AnyModule>(module: M, name: string): M {
  return prune('prune.identity', module, name, (values) => magnitudeMask(values, 0));
}

/** Zeroes the smallest magnitudes of the parameter `name`. Returns the module. As torch.nn.utils.prune.l1_unstructured. */
export function l1Unstructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: Amount,
  options: ScoreOptions = {},
): M {
  const user = 'prune.l1Unstructured';
  checkOptions(user, options, ['importanceScores']);
  return prune(user, module, name, (values, mask) =>
    l1(scoresOf(user, values, mask, options.importanceScores), amount, { mask }),
  );
}

/** Options of the functions that prune by chance. */
export interface RandomOptions {
  /** Default: {@link defaultGenerator}. */
  readonly generator?: Generator | undefined;
}

/** Zeroes elements by chance. As torch.nn.utils.prune.random_unstructured. */
export function randomUnstructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: Amount,
  options: RandomOptions = {},
): M {
  checkOptions('prune.randomUnstructured', options, ['generator']);
  return prune('prune.randomUnstructured', module, name, (values, mask) =>
    random(values, amount, { mask, ...options }),
  );
}

/** Zeroes the slices along `dim` of the smallest n-norm. As torch.nn.utils.prune.ln_structured. */
export function lnStructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: Amount,
  n: number,
  dim: number,
  options: ScoreOptions = {},
): M {
  const user = 'prune.lnStructured';
  checkOptions(user, options, ['importanceScores']);
  return prune(user, module, name, (values, mask) =>
    ln(scoresOf(user, values, mask, options.importanceScores), amount, n, dim, { mask }),
  );
}

/** Zeroes slices along `dim` by chance. As torch.nn.utils.prune.random_structured. */
export function randomStructured<M extends AnyModule>(
  module: M,
  name: string,
  amount: Amount,
  dim: number,
  options: RandomOptions = {},
): M {
  checkOptions('prune.randomStructured', options, ['generator']);
  const make = (values: Parameter, mask: Tensor | null): Tensor =>
    randomSlices(values, amount, dim, { mask, ...options });
  return prune('prune.randomStructured', module, name, make);
}

/** Keeps the `n` largest magnitudes of every `m` neighbours along `dim` (default: the last). 2:4 is what sparse tensor cores take. */
export function nmStructured<M extends AnyModule>(module: M, name: string, n: number, m: number, dim = -1): M {
  return prune('prune.nmStructured', module, name, (values, mask) =>
    nmMask(scoresOf('prune.nmStructured', values, mask, null), n, m, { dim }),
  );
}

/** Options of `globalUnstructured`. */
export interface GlobalOptions {
  /** What is dropped: the smallest magnitudes ('l1') or any elements ('random'). Default: 'l1'. */
  readonly method?: 'l1' | 'random' | undefined;
  /** For each parameter null or what decides in its place. Default: the parameters themselves. */
  readonly importanceScores?: readonly (Tensor | null)[] | undefined;
  /** Of the method 'random'. Default: {@link defaultGenerator}. */
  readonly generator?: Generator | undefined;
}

/**
 * Prunes several parameters, given as [module, name], by one amount of all of them together. Throws ERR_ARGUMENT where there are
 * none. As torch.nn.utils.prune.global_unstructured with L1Unstructured or RandomUnstructured.
 */
export function globalUnstructured(
  parameters: readonly (readonly [AnyModule, string])[],
  amount: Amount,
  options: GlobalOptions = {},
): void {
  const user = 'prune.globalUnstructured';
  checkOptions(user, options, ['method', 'importanceScores', 'generator']);
  const { method = 'l1', importanceScores = [], generator } = options;
  if (method !== 'l1' && method !== 'random')
    throw new TilegradError('ERR_ARGUMENT', `${user}: method must be 'l1' or 'random' but is '${method}'`);
  if (!Array.isArray(parameters) || parameters.length === 0 || !parameters.every((entry) => Array.isArray(entry)))
    throw new TilegradError('ERR_ARGUMENT', `${user}: expects a list of at least one [module, name]`);
  const found = parameters.map(([module, name]) => target(user, module, name));
  const made = noGrad(() =>
    tidy(() => {
      const scores = found.map(({ values, mask }, i) =>
        method === 'random'
          ? rand(values.shape, { device: values.device, generator })
          : scoresOf(user, values, mask, importanceScores[i]),
      );
      return globalL1(scores, amount, { masks: found.map(({ mask }) => mask) });
    }),
  );
  parameters.forEach(([module, name], i) => {
    const mask = made[i] as Tensor;
    customFromMask(module, name, mask);
    mask.dispose();
  });
}

/** Makes the pruning permanent: `name` is a plain parameter again, with zeros. As torch.nn.utils.prune.remove. */
export function remove<M extends AnyModule>(module: M, name: string): M {
  expectModule('prune.remove', module);
  const stop = unhook.get(module)?.get(name);
  if (!stop)
    throw new TilegradError('ERR_ARGUMENT', `prune.remove: '${name}' of ${module.constructor.name} is not pruned`);
  stop();
  unhook.get(module)?.delete(name);
  const own = fields(module);
  const values = own[`${name}_orig`] as Parameter;
  const mask = own[`${name}_mask`] as Tensor;
  noGrad(() => tidy(() => assign(values, where(mask, values, 0))));
  setPruningMask(values, null);
  (own[name] as Tensor).dispose();
  mask.dispose();
  delete own[`${name}_orig`];
  delete own[`${name}_mask`];
  own[name] = values;
  return module;
}

/** Whether a parameter of the module, or of one in it, is pruned. As torch.nn.utils.prune.is_pruned. */
export function isPruned(module: AnyModule): boolean {
  expectModule('prune.isPruned', module);
  return module.modules().some((each) => (unhook.get(each)?.size ?? 0) > 0);
}

/** The share of zeros that masks make among all parameters of the module, from 0 to 1. Blocks until it is known. */
export function sparsity(module: AnyModule): number {
  expectModule('prune.sparsity', module);
  let dropped = 0;
  let total = 0;
  for (const each of module.modules())
    for (const parameter of each.parameters({ recurse: false })) total += parameter.numel;
  for (const each of module.modules())
    for (const name of unhook.get(each)?.keys() ?? []) {
      const mask = fields(each)[`${name}_mask`] as Tensor;
      dropped += mask.numel - tidy(() => sum(cast(mask, 'i32')).itemSync());
    }
  return total === 0 ? 0 : dropped / total;
}

/**
 * Replaces every Linear in `model` whose weight has enough zeros by a {@link SparseLinear}, in place, frees the replaced parameters
 * that no other layer of it uses, and returns the model (the new layer, if `model` is a Linear itself). Pruning of these weights becomes permanent, as by
 * {@link remove}. For inference: gradients end here. Throws ERR_ARGUMENT where no weight of f32 or f64 has enough zeros.
 */
export function compact(model: AnyModule, options: CompactOptions = {}): AnyModule {
  checkOptions('prune.compact', options, ['minSparsity']);
  const { minSparsity = 0.8 } = options;
  const replaced = replaceModules('prune.compact', model, (module) => {
    if (module.constructor !== Linear || !worthCompacting(module as Linear, minSparsity)) return null;
    if (unhook.get(module)?.has('weight')) remove(module, 'weight');
    return new SparseLinear(module as Linear);
  });
  if (!replaced)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `prune.compact: ${model.constructor.name} has no Linear of f32 or f64 with ${100 * minSparsity} % zeros or more`,
    );
  return replaced;
}
