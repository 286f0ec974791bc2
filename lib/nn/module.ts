// The base of all layers and models.
import { inspect } from 'node:util';
import { Device } from '../device.ts';
import { type DType, dtypes, isFloat } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { to, type ToTarget } from '../ops/index.ts';
import { heldTensors, keep, tidy } from '../scope.ts';
import { Tensor } from '../tensor.ts';
import type { Flow, SameFlow } from './flow.ts';
import { Buffer, Parameter, replaceData } from './parameter.ts';
import { type LoadReport, loadState, type StateDict } from './state.ts';

/** Any module, whatever it takes and gives. */
export type AnyModule = Module<readonly unknown[], unknown>;

/** Called after a module's forward with what went in and came out; what it returns takes the output's place. */
export type ForwardHook<M, Inputs, Output> = (module: M, inputs: Inputs, output: Output) => Output | undefined;
/** Called before a module's forward; a list that it returns takes the inputs' place. */
export type ForwardPreHook<M, Inputs> = (module: M, inputs: Inputs) => Inputs | undefined;

interface Hooks {
  before: ((module: never, inputs: never) => unknown)[];
  after: ((module: never, inputs: never, output: never) => unknown)[];
  /** Takes the hooked forward off again. */
  restore: () => void;
}

/**
 * A layer or a model: a class with parameters and a `forward`. Parameters, buffers and modules that are assigned to its
 * fields are its own, by the names of the fields; no registration is needed:
 *
 *     class Net extends nn.Module {
 *       readonly hidden = new nn.Linear(784, 100);
 *       readonly out = new nn.Linear(100, 10);
 *       forward(x: Tensor): Tensor {
 *         return this.out.forward(this.hidden.forward(x).relu());
 *       }
 *     }
 *
 * `Inputs` and `Output` are the types of `forward`: one tensor each by default. Fields whose names begin with # are not
 * found, and lists of modules belong in a ModuleList. As torch.nn.Module.
 */
export abstract class Module<Inputs extends readonly unknown[] = [Tensor], Output = Tensor> {
  /** State-dict names of fields that PyTorch writes otherwise: `{ runningMean: 'running_mean' }`. */
  static readonly stateNames: Readonly<Record<string, string>> = {};

  /** True in training (the default), false in evaluation: dropout and batch normalization differ. See {@link train}. */
  training = true;
  /** What the compiler knows of the sizes that this layer takes and gives; not there at run time. @internal */
  declare readonly _flow: Flow;
  #hooks: Hooks | null = null;

  /** Computes the output. */
  abstract forward(...inputs: Inputs): Output;

  /** The fields that can hold state, by state-dict name. Containers give their members. @internal */
  _fields(): [string, unknown][] {
    const { stateNames } = this.constructor as typeof Module;
    return Object.entries(this).map(([field, value]) => {
      if (Array.isArray(value) && value.some((item) => item instanceof Module || item instanceof Parameter))
        throw new TilegradError(
          'ERR_ARGUMENT',
          `${this.constructor.name}: the field '${field}' is an array of modules or parameters; put modules into an nn.ModuleList and parameters into fields of their own, so that they are found`,
        );
      return [stateNames[field] ?? field, value];
    });
  }

  /** Puts a module into the field of that state-dict name. @internal */
  _setChild(name: string, child: AnyModule): void {
    const { stateNames } = this.constructor as typeof Module;
    const field = Object.keys(stateNames).find((key) => stateNames[key] === name) ?? name;
    (this as unknown as Record<string, unknown>)[field] = child;
  }

  /** The modules in this one's fields, by name. Of one that stands in two fields the first counts. */
  namedChildren(): [string, AnyModule][] {
    const seen = new Set<AnyModule>();
    return this._fields().filter((entry): entry is [string, AnyModule] => {
      const [, value] = entry;
      if (!(value instanceof Module) || seen.has(value)) return false;
      seen.add(value);
      return true;
    });
  }

  /** The modules in this one's fields. */
  children(): AnyModule[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /** This module ('') and all below it, each once, outer before inner, by names such as 'encoder.0.linear'. */
  namedModules(): [string, AnyModule][] {
    const seen = new Set<AnyModule>();
    return walk(this).filter(([, module]) => !seen.has(module) && seen.add(module));
  }

  /** As {@link namedModules}, but a module that stands in several places under each of its names. @internal */
  _places(): [string, AnyModule][] {
    return walk(this);
  }

  /** This module and all below it, each once. */
  modules(): AnyModule[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** The parameters by name, each once: those of the module itself first, then those of its children in order. */
  namedParameters(options: { recurse?: boolean | undefined } = {}): [string, Parameter][] {
    return unique(this.#state(Parameter, 'namedParameters', options));
  }

  /** The parameters, each once. What optimisers take. */
  parameters(options: { recurse?: boolean | undefined } = {}): Parameter[] {
    return unique(this.#state(Parameter, 'parameters', options)).map(([, parameter]) => parameter);
  }

  /** The buffers by name, each once. */
  namedBuffers(options: { recurse?: boolean | undefined } = {}): [string, Buffer][] {
    return unique(this.#state(Buffer, 'namedBuffers', options));
  }

  /** The buffers, each once. */
  buffers(options: { recurse?: boolean | undefined } = {}): Buffer[] {
    return unique(this.#state(Buffer, 'buffers', options)).map(([, buffer]) => buffer);
  }

  #state<T extends Tensor>(
    type: new (...args: never[]) => T,
    user: string,
    options: { recurse?: boolean | undefined },
  ): [string, T][] {
    checkOptions(user, options, ['recurse']);
    const modules: [string, AnyModule][] = (options.recurse ?? true) ? this.namedModules() : [['', this]];
    return modules.flatMap(([prefix, module]) =>
      module
        ._fields()
        .filter((entry): entry is [string, T] => entry[1] instanceof type)
        .map(([name, value]): [string, T] => [path(prefix, name), value]),
    );
  }

  /** The module of that name, such as 'encoder.0'; '' is this one. Throws ERR_ARGUMENT if there is none. */
  getSubmodule(name: string): AnyModule {
    if (name === '') return this;
    let module: AnyModule = this;
    for (const part of name.split('.')) {
      const found = module._fields().find(([field]) => field === part)?.[1];
      if (!(found instanceof Module))
        throw new TilegradError(
          'ERR_ARGUMENT',
          `getSubmodule: ${module.constructor.name} has no module '${part}' (looking for '${name}')`,
        );
      module = found;
    }
    return module;
  }

  /** Puts `module` in the place of the one of that name. Throws ERR_ARGUMENT if there is none. */
  setSubmodule(name: string, module: AnyModule): void {
    this.getSubmodule(name);
    const parts = name.split('.');
    const last = parts.pop() as string;
    if (last === '') throw new TilegradError('ERR_ARGUMENT', 'setSubmodule: a module cannot replace itself');
    this.getSubmodule(parts.join('.'))._setChild(last, module);
  }

  /** Makes `tensor` a buffer in the field of that name: state that is not trained. As torch.nn.Module.register_buffer. */
  registerBuffer(name: string, tensor: Tensor, options: { persistent?: boolean | undefined } = {}): void {
    (this as unknown as Record<string, unknown>)[name] = new Buffer(tensor, options);
  }

  /** Switches this module and all below it to training or, with false, to evaluation. Returns it. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Switches to evaluation: `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /** Calls `fn` with every module, inner before outer; to initialize weights, for instance. Returns this one. */
  apply(fn: (module: AnyModule) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /** Frees the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /** Says whether the parameters get gradients; false freezes them. Returns this module. */
  requiresGrad_(value = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }

  /**
   * Moves parameters and buffers to a device, casts the floating-point ones to a floating-point dtype, or both. They remain
   * the same objects, gradients move along. Returns this module. As torch.nn.Module.to.
   */
  to(target: ToTarget): this {
    const dtype = typeof target === 'string' ? target : target instanceof Device ? undefined : target?.dtype;
    if (dtypes.includes(dtype as DType) && !isFloat(dtype as DType))
      throw new TilegradError('ERR_DTYPE', `Module.to: parameters cannot be ${dtype}; use a floating-point dtype`);
    noGrad(() => {
      const tensors = [...this.parameters(), ...this.buffers()];
      const all = tensors.flatMap((tensor) => (tensor.grad ? [tensor, tensor.grad] : [tensor]));
      // Everything is converted before anything is replaced: a target that fails leaves the module as it was.
      const moved = tidy(() =>
        all.map((tensor) => {
          const place = isFloat(tensor.dtype) ? target : deviceOnly(target);
          return place === null ? tensor : to(tensor, place);
        }),
      );
      moved.forEach((source, i) => {
        const tensor = all[i] as Tensor;
        if (source === tensor) return;
        replaceData(tensor, source);
        source.dispose();
      });
    });
    return this;
  }

  /** Parameters and persistent buffers by name. The tensors share their elements with the module: training changes them. */
  stateDict(): StateDict {
    return Object.fromEntries(this._stateEntries().map(([name, tensor]) => [name, tensor.detach()]));
  }

  /** What makes up the state, shared tensors under each of their names. @internal */
  _stateEntries(): [string, Parameter | Buffer][] {
    const entries = walk(this).flatMap(([prefix, module]) => {
      const fields = module._fields();
      return [
        ...fields.filter(([, value]) => value instanceof Parameter),
        ...fields.filter(([, value]) => value instanceof Buffer && value.persistent),
      ].map(([name, value]): [string, Parameter | Buffer] => [path(prefix, name), value as Parameter]);
    });
    return entries;
  }

  /**
   * Copies tensors by name into the parameters and buffers, cast to their dtype. Names that are missing or too many throw
   * ERR_ARGUMENT unless `strict` is false, other shapes throw ERR_SHAPE; the text lists all of them, and nothing was
   * changed. Returns what was missing and too many. As torch.nn.Module.load_state_dict.
   */
  loadStateDict(
    state: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
    options: { strict?: boolean | undefined } = {},
  ): LoadReport {
    checkOptions('loadStateDict', options, ['strict']);
    return loadState(this.constructor.name, this._stateEntries(), state, options.strict ?? true);
  }

  /** Calls `hook` after every forward. Returns the function that removes it. */
  registerForwardHook(hook: ForwardHook<this, Inputs, Output>): () => void {
    return this.#addHook('after', hook as Hooks['after'][number]);
  }

  /** Calls `hook` before every forward. Returns the function that removes it. */
  registerForwardPreHook(hook: ForwardPreHook<this, Inputs>): () => void {
    return this.#addHook('before', hook as Hooks['before'][number]);
  }

  #addHook<K extends 'before' | 'after'>(when: K, hook: Hooks[K][number]): () => void {
    this.#hooks ??= this.#hookForward();
    const hooks = this.#hooks;
    // A hook that is registered twice is two hooks: each is wrapped, so that each remover finds its own.
    const entry = ((...args: [never, never, never]) => hook(...args)) as Hooks[K][number];
    (hooks[when] as Hooks[K][number][]).push(entry);
    return () => {
      const list = hooks[when] as Hooks[K][number][];
      if (list.includes(entry)) list.splice(list.indexOf(entry), 1);
      if (hooks.before.length + hooks.after.length > 0 || this.#hooks !== hooks) return;
      hooks.restore();
      this.#hooks = null;
    };
  }

  /** Covers `forward` by one that calls the hooks, on this object alone: modules without hooks pay nothing. */
  #hookForward(): Hooks {
    const own = Object.getOwnPropertyDescriptor(this, 'forward');
    const inner = this.forward as unknown as (...inputs: unknown[]) => unknown;
    const hooks: Hooks = {
      before: [],
      after: [],
      restore: () => {
        if (own) Object.defineProperty(this, 'forward', own);
        else delete (this as { forward?: unknown }).forward;
      },
    };
    const value = (...given: unknown[]): unknown => {
      let inputs = given;
      for (const hook of [...hooks.before]) {
        const replaced = hook(this as never, inputs as never);
        if (replaced !== undefined) inputs = (Array.isArray(replaced) ? replaced : [replaced]) as unknown[];
      }
      let output = inner.apply(this, inputs);
      for (const hook of [...hooks.after]) {
        // Hooks look at inner layers and may hold what they see, so a surrounding scope leaves it alone.
        for (const seen of [output].flat()) if (seen instanceof Tensor) keep(seen);
        const replaced = hook(this as never, inputs as never, output as never);
        if (replaced !== undefined) output = replaced;
      }
      return output;
    };
    Object.defineProperty(this, 'forward', { value, configurable: true, writable: true, enumerable: false });
    return hooks;
  }

  /** The settings that {@link toString} shows in brackets. */
  extraRepr(): string {
    return '';
  }

  /** The module and those in it, one per line, as PyTorch prints them. */
  toString(): string {
    const children = this._fields().filter((entry): entry is [string, AnyModule] => entry[1] instanceof Module);
    const settings = this.extraRepr();
    if (children.length === 0) return `${this.constructor.name}(${settings})`;
    const lines = children.map(([name, child]) => `  (${name}): ${child.toString().replaceAll('\n', '\n  ')}`);
    return [`${this.constructor.name}(${settings}`, ...lines, ')'].join('\n');
  }

  /** What `console.log` shows: {@link toString}. */
  [inspect.custom](): string {
    return this.toString();
  }

  /** Frees all parameters, their gradients and the buffers. Later use throws ERR_DISPOSED. */
  dispose(): void {
    this.zeroGrad();
    for (const tensor of [...this.parameters(), ...this.buffers()]) tensor.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What scopes must keep with it. @internal */
  *[heldTensors](): Iterable<Tensor> {
    for (const parameter of this.parameters()) yield* parameter.grad ? [parameter, parameter.grad] : [parameter];
    yield* this.buffers();
  }
}

/** A layer whose output has the shape of its input. @internal */
export abstract class SameShape extends Module {
  declare readonly _flow: SameFlow;
}

/** The device of a target, for tensors that are not cast; null if it names none. */
function deviceOnly(target: ToTarget): ToTarget | null {
  if (dtypes.includes(target as DType)) return null;
  if (target instanceof Device || typeof target !== 'object' || target === null) return target;
  checkOptions('to', target, ['dtype', 'device']);
  return target.device === undefined ? null : target.device;
}

const path = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);

/** The module and all below it, under each of their names. Throws ERR_ARGUMENT for a module that contains itself. */
function walk(module: AnyModule, prefix = '', above: readonly AnyModule[] = []): [string, AnyModule][] {
  if (above.includes(module))
    throw new TilegradError('ERR_ARGUMENT', `${module.constructor.name}: the module contains itself, as '${prefix}'`);
  const inner = module._fields().flatMap(([name, value]) => {
    return value instanceof Module ? walk(value, path(prefix, name), [...above, module]) : [];
  });
  return [[prefix, module], ...inner];
}

function unique<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}
