// What all optimisers share: parameter groups, state, and the step around the update of each algorithm.
import { checkOptions, TilegradError } from '../error.ts';
import { enableGrad, noGrad } from '../graph.ts';
import { constant_ } from '../nn/init.ts';
import { pruningMask } from '../nn/parameter.ts';
import { full } from '../ops/index.ts';
import { heldTensors, keep, tidy } from '../scope.ts';
import { Tensor } from '../tensor.ts';
import { loadOptimizerState, type OptimizerState, type OptimizerStateDict, packOptimizerState } from './state.ts';

/** Parameters with the options that hold for them. `step()` reads the options anew each time: set `group.lr` freely. */
export type ParamGroup<O> = { -readonly [K in keyof O]-?: Exclude<O[K], undefined> } & { params: Tensor[] };

/** A group as it is given: options that are absent are those of the optimiser. */
export type ParamGroupOptions<O> = O & { readonly params: Tensor | Iterable<Tensor> };

/** What is trained: tensors, or groups of them with options of their own. */
export type Params<O> = Iterable<Tensor> | Iterable<ParamGroupOptions<O>>;

/** Parameters of one group that one call updates, with what belongs to each, in the same order. */
export interface UpdateBatch {
  readonly params: Tensor[];
  readonly grads: Tensor[];
  /** For each parameter its pruning mask or null. */
  readonly masks: (Tensor | null)[];
  /** What is remembered of the parameters, by name. */
  readonly states: Readonly<Record<string, Tensor[]>>;
  /** Number of this step, from 1; 0 where steps are not counted. */
  readonly step: number;
  /** Whether the states were made for this step. */
  readonly isNew: boolean;
}

/**
 * The base of optimisers: subclasses say what is remembered of a parameter and give `update`, which changes parameters in
 * place. As torch.optim.Optimizer.
 */
export abstract class Optimizer<O extends { readonly lr?: number | undefined } = { readonly lr?: number | undefined }> {
  readonly paramGroups: ParamGroup<O>[] = [];
  /** The options of groups that do not set their own. */
  readonly defaults: Readonly<Omit<ParamGroup<O>, 'params'>>;
  /** What the algorithm remembers of each parameter; made by its first step. @internal */
  readonly _state = new Map<Tensor, OptimizerState>();
  readonly #before = new Set<(optimizer: this) => void>();
  readonly #after = new Set<(optimizer: this) => void>();

  constructor(params: Params<O>, options: O, defaults: Omit<ParamGroup<O>, 'params'>) {
    const name = this.constructor.name;
    checkOptions(name, options, Object.keys(defaults));
    this.defaults = { ...defaults, ...defined(options) };
    if (
      params instanceof Tensor ||
      typeof (params as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== 'function'
    )
      throw new TilegradError('ERR_ARGUMENT', `${name}: the parameters must be a list, such as model.parameters()`);
    const list = [...(params as Iterable<Tensor | ParamGroupOptions<O>>)];
    if (list.length === 0) throw new TilegradError('ERR_ARGUMENT', `${name}: the list of parameters is empty`);
    const grouped = list.some((entry) => !(entry instanceof Tensor) && Object.hasOwn(Object(entry), 'params'));
    const groups = grouped ? (list as ParamGroupOptions<O>[]) : [{ params: list } as unknown as ParamGroupOptions<O>];
    for (const group of groups) this.addParamGroup(group);
  }

  /** Adds parameters with options of their own, for instance layers that were frozen before. */
  addParamGroup(group: ParamGroupOptions<O>): void {
    const name = this.constructor.name;
    if (typeof group !== 'object' || group === null || group instanceof Tensor || !('params' in group))
      throw new TilegradError('ERR_ARGUMENT', `${name}: a parameter group needs \`params\``);
    const { params: given, ...options } = group;
    checkOptions(name, options, Object.keys(this.defaults));
    const params = given instanceof Tensor ? [given] : [...given];
    const taken = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const [i, param] of params.entries()) {
      if (!(param instanceof Tensor))
        throw new TilegradError(
          'ERR_ARGUMENT',
          `${name}: parameter ${i} of the group is not a tensor but ${typeof param}`,
        );
      if (!param.isLeaf)
        throw new TilegradError(
          'ERR_ARGUMENT',
          `${name}: parameter ${i} of the group was computed by other operations`,
        );
      if (taken.has(param))
        throw new TilegradError('ERR_ARGUMENT', `${name}: parameter ${i} of the group is given twice`);
      taken.add(param);
    }
    const complete = { ...this.defaults, ...defined(options), params } as unknown as ParamGroup<O>;
    this.check(complete);
    this.paramGroups.push(complete);
  }

  /** Throws ERR_ARGUMENT for option values out of range. */
  protected check(group: ParamGroup<O>): void {
    this.require(group, 'lr', 0);
  }

  /** Throws ERR_ARGUMENT unless the option is a number from `least` to (excluding) `below`. */
  protected require(
    group: ParamGroup<O>,
    option: keyof O & string,
    least: number,
    below = Number.POSITIVE_INFINITY,
  ): void {
    const value = group[option] as unknown;
    if (typeof value === 'number' && value >= least && value < below) return;
    const bounds = below === Number.POSITIVE_INFINITY ? `from ${least} up` : `from ${least} to below ${below}`;
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${this.constructor.name}: ${option} must be a number ${bounds} but is ${value}`,
    );
  }

  /** The tensors that are remembered of each parameter, with the value that fills them at first. */
  protected abstract states(group: ParamGroup<O>): Readonly<Record<string, number>>;

  /** Changes the parameters of a batch in place, all in one call. Runs without recording, in a tidy. */
  protected abstract update(group: ParamGroup<O>, batch: UpdateBatch): void;

  /** Whether the update depends on the number of the step. */
  protected readonly countsSteps: boolean = true;

  #batch(states: readonly [string, number][], step: number, isNew: boolean): UpdateBatch {
    const lists = Object.fromEntries(states.map(([name]) => [name, []]));
    return { params: [], grads: [], masks: [], states: lists, step, isNew };
  }

  /** Splits a group where one call cannot do it: by device, by number of steps, and where states are new. */
  #batches(group: ParamGroup<O>): UpdateBatch[] {
    const states = Object.entries(this.states(group));
    const batches = new Map<string, UpdateBatch>();
    let batch: UpdateBatch | undefined;
    for (const param of group.params) {
      const { grad } = param;
      if (!grad) continue;
      const state = this._stateOf(param);
      const isNew = states.some(([name]) => state[name] === undefined);
      const step = this.countsSteps ? ((state.step as number | undefined) ?? 0) + 1 : 0;
      if (step > 0) state.step = step;
      // Nearly always the batch of the parameter before.
      if (batch?.step !== step || batch.isNew !== isNew || batch.params[0]?.device !== param.device) {
        const key = `${param.device.name} ${step} ${isNew}`;
        batch = batches.get(key) ?? this.#batch(states, step, isNew);
        batches.set(key, batch);
      }
      batch.params.push(param);
      batch.grads.push(grad);
      batch.masks.push(pruningMask(param));
      for (const [name, value] of states) {
        state[name] ??= keep(full(param.shape, value, { dtype: param.dtype, device: param.device }));
        (batch.states[name] as Tensor[]).push(state[name] as Tensor);
      }
    }
    return [...batches.values()];
  }

  /** @internal */
  _stateOf(param: Tensor): OptimizerState {
    let state = this._state.get(param);
    if (!state) {
      state = {};
      this._state.set(param, state);
    }
    return state;
  }

  /**
   * Changes the parameters once by their gradients; parameters without one are left alone. `closure` computes the loss and
   * calls backward() on it before the update; its result is returned. As torch.optim.Optimizer.step.
   */
  step(): undefined;
  step(closure: () => Tensor): Tensor;
  step(closure?: () => Tensor): Tensor | undefined {
    const loss = closure && enableGrad(closure);
    for (const hook of this.#before) hook(this);
    noGrad(() =>
      tidy(() => {
        for (const group of this.paramGroups) for (const batch of this.#batches(group)) this.update(group, batch);
      }),
    );
    for (const hook of this.#after) hook(this);
    return loss;
  }

  /** Frees the gradients of all parameters, or with `setToNone: false` fills them with zeros. */
  zeroGrad(options: { readonly setToNone?: boolean | undefined } = {}): void {
    checkOptions('zeroGrad', options, ['setToNone']);
    for (const { params } of this.paramGroups) {
      for (const param of params) {
        const { grad } = param;
        if (!grad) continue;
        if (options.setToNone ?? true) {
          grad.dispose();
          param.grad = null;
        } else {
          constant_(grad, 0);
        }
      }
    }
  }

  /** Calls `hook` before every update. Returns the function that removes it. */
  registerStepPreHook(hook: (optimizer: this) => void): () => void {
    return addHook(this.#before, hook);
  }

  /** Calls `hook` after every update. Returns the function that removes it. */
  registerStepPostHook(hook: (optimizer: this) => void): () => void {
    return addHook(this.#after, hook);
  }

  /**
   * The options of the groups and what is remembered of each parameter, by its position over all groups. The tensors share
   * their elements with the optimiser. As torch.optim.Optimizer.state_dict.
   */
  stateDict(): OptimizerStateDict {
    return packOptimizerState(this.paramGroups, this._state);
  }

  /** Takes over what `stateDict()` gave, copied. Throws ERR_ARGUMENT if the groups differ in number or size. */
  loadStateDict(dict: OptimizerStateDict): void {
    loadOptimizerState(this.constructor.name, this.paramGroups, this._state, dict, Object.keys(this.defaults));
  }

  /** The name and the settings of each group, as PyTorch prints them. */
  toString(): string {
    const groups = this.paramGroups.map(({ params, ...options }, i) => {
      const settings = Object.entries(options).map(([name, value]) => `    ${name}: ${value}`);
      return [`  group ${i}: ${params.length} parameters`, ...settings].join('\n');
    });
    return `${this.constructor.name} (\n${groups.join('\n')}\n)`;
  }

  /** Frees what is remembered of the parameters; the parameters stay. */
  dispose(): void {
    for (const tensor of this[heldTensors]()) tensor.dispose();
    this._state.clear();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What scopes must keep with it. @internal */
  *[heldTensors](): Iterable<Tensor> {
    for (const state of this._state.values())
      for (const value of Object.values(state)) if (value instanceof Tensor) yield value;
  }
}

/** The entries that are not undefined. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function addHook<H>(hooks: Set<H>, hook: H): () => void {
  hooks.add(hook);
  return () => void hooks.delete(hook);
}
