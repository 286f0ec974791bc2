// Modules that hold modules.
import { TilegradError } from '../error.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import type { Chained, ChainFlow } from './flow.ts';
import { forwardTogether, isPlain } from './fused_layers.ts';
import { Identity } from './linear.ts';
import { type AnyModule, Module } from './module.ts';

/** Members by name, in order. */
abstract class Container<M extends AnyModule, Inputs extends readonly unknown[], Output> extends Module<
  Inputs,
  Output
> {
  readonly #members = new Map<string, M>();

  /** The number of modules. */
  get length(): number {
    return this.#members.size;
  }

  override _fields(): [string, unknown][] {
    return [...super._fields(), ...this.#members];
  }

  override _setChild(name: string, child: AnyModule): void {
    if (this.#members.has(name)) this._put(name, child as M);
    else super._setChild(name, child);
  }

  /** @internal */
  _put(name: string, member: M): void {
    const user = this.constructor.name;
    if (!(member instanceof Module))
      throw new TilegradError('ERR_ARGUMENT', `${user}: member ${name} is not a module but ${typeof member}`);
    if (name === '' || name.includes('.'))
      throw new TilegradError('ERR_ARGUMENT', `${user}: '${name}' cannot be a name: it is empty or has a dot`);
    this.#members.set(name, member);
  }

  /** @internal */
  _member(name: string): M | undefined {
    return this.#members.get(name);
  }

  /** @internal */
  _members(): Map<string, M> {
    return this.#members;
  }
}

/** Members by position. */
abstract class List<M extends AnyModule, Inputs extends readonly unknown[], Output> extends Container<
  M,
  Inputs,
  Output
> {
  /** The module at position `index`; negative ones count from the end. Throws ERR_ARGUMENT if there is none. */
  at(index: number): M {
    const found = [...this._members().values()].at(index);
    if (!found || !Number.isInteger(index))
      throw new TilegradError('ERR_ARGUMENT', `${this.constructor.name}: no module ${index} among ${this.length}`);
    return found;
  }

  /** Adds a module at the end. Returns this one. */
  append(module: M): this {
    this._put(String(this.length), module);
    return this;
  }

  /** The modules in order. */
  [Symbol.iterator](): Iterator<M> {
    return this._members().values();
  }
}

/**
 * Modules one after the other: each takes the output of the one before. Given as arguments they are named 0, 1, ...; given
 * as one record, by its keys. What the layers hand to one another is freed at once, or after `backward()` where a
 * gradient needs it. A Conv2d, an activation and a MaxPool2d behind it may be computed by one op, which changes no value. As torch.nn.Sequential.
 */
export class Sequential<Layers extends readonly Module[] = readonly Module[]> extends List<Module, [Tensor], Tensor> {
  declare readonly _flow: ChainFlow<Layers>;

  constructor(...layers: Chained<Layers>);
  constructor(layers: Readonly<Record<string, Module>>);
  constructor(...layers: readonly (Module | Readonly<Record<string, Module>>)[]) {
    super();
    const [first] = layers;
    const named = layers.length === 1 && typeof first === 'object' && !(first instanceof Module);
    for (const [name, layer] of Object.entries(named ? first : layers)) this._put(name, layer as Module);
  }

  forward(x: Tensor): Tensor {
    return tidy(() => {
      const layers: Module[] = [];
      for (const layer of this._members().values()) if (!isPlain(layer, Identity)) layers.push(layer);
      let y = x;
      for (let i = 0; i < layers.length; ) {
        const [output, count] = forwardTogether(layers, i, y);
        y = output;
        i += count;
      }
      return y;
    });
  }
}

/** A list of modules, whose forward you write yourself. As torch.nn.ModuleList. */
export class ModuleList<M extends AnyModule = Module> extends List<M, never[], never> {
  constructor(modules: Iterable<M> = []) {
    super();
    for (const module of modules) this.append(module);
  }

  forward(): never {
    throw new TilegradError('ERR_UNSUPPORTED', 'ModuleList: it has no forward; call those of its modules');
  }
}

/** Modules by name, whose forward you write yourself. As torch.nn.ModuleDict. */
export class ModuleDict<M extends AnyModule = Module> extends Container<M, never[], never> {
  constructor(modules: Readonly<Record<string, M>> = {}) {
    super();
    for (const [name, module] of Object.entries(modules)) this.set(name, module);
  }

  /** The module of that name. Throws ERR_ARGUMENT if there is none. */
  get(name: string): M {
    const found = this._member(name);
    if (!found)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `ModuleDict: no module '${name}'; it has ${[...this._members().keys()].join(', ')}`,
      );
    return found;
  }

  /** Whether there is a module of that name. */
  has(name: string): boolean {
    return this._member(name) !== undefined;
  }

  /** Adds a module, or replaces the one of that name. Returns this dict. */
  set(name: string, module: M): this {
    this._put(name, module);
    return this;
  }

  /** The names in order. */
  keys(): IterableIterator<string> {
    return this._members().keys();
  }

  /** The modules in order. */
  values(): IterableIterator<M> {
    return this._members().values();
  }

  /** Names and modules in order. */
  [Symbol.iterator](): Iterator<[string, M]> {
    return this._members().entries();
  }

  forward(): never {
    throw new TilegradError('ERR_UNSUPPORTED', 'ModuleDict: it has no forward; call those of its modules');
  }
}
