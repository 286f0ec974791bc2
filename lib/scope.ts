// Lifetimes. Garbage collection runs no finalizer in a synchronous loop, so scopes free tensors; GC is the net below.
import { setImmediate } from 'node:timers';
import { TilegradError } from './error.ts';
import { native } from './native.ts';

/**
 * A native tensor handle with the number of its holders: the tensors that users see and the tapes that save it.
 * A view has a handle of its own; `base` is the storage whose buffer it shares and which counts in-place changes.
 */
export class Storage {
  handle: number;
  count = 1;
  version = 0;
  /** Whether the garbage collector frees it, or will be told to. */
  watched = false;
  readonly base: Storage;

  constructor(handle: number, base: Storage | null) {
    this.handle = handle;
    this.base = base ? base.base : this;
  }

  release(): void {
    if (--this.count > 0) return;
    if (gathering) gather(this.handle);
    else native.release(this.handle);
  }

  /** Releases for a tensor that is disposed. If a tape still holds the storage, the net must catch a tape that is dropped. */
  releaseDisposed(): void {
    this.release();
    if (this.count > 0) watch(this);
  }
}

// Code that is cut off by force (Ctrl-C in the REPL, a `timeout` of node:vm) runs no `finally`, and what it had set for a
// synchronous stretch would stay set. Between macrotasks none of these runs: what is set then is set back.
const resets: (() => void)[] = [];
let scheduled = false;

/** Adds what sets back a state of synchronous stretches. @internal */
export function resetBetweenTasks(reset: () => void): void {
  resets.push(reset);
}

/** Called where a synchronous stretch sets such a state. @internal */
export function enterStretch(): void {
  if (scheduled) return;
  setImmediate(endTask).unref();
  scheduled = true;
}

function endTask(): void {
  scheduled = false;
  registerWaiting();
  for (const reset of resets) reset();
}

// A call into the addon costs more than to free a handle, so a scope that ends gathers those of its tensors.
const gathered = new Float64Array(256);
let gatheredCount = 0;
let gathering = false;

function gather(handle: number): void {
  gathered[gatheredCount++] = handle;
  if (gatheredCount === gathered.length) releaseGathered();
}

function releaseGathered(): void {
  const count = gatheredCount;
  gatheredCount = 0;
  if (count > 0) native.releaseAll(gathered, count);
}

/** Disposes of tensors, `made` by a scope, but for those that were kept or that `stays` names. */
function disposeOf(made: readonly Disposable[], stays?: ReadonlySet<unknown>): void {
  const before = gathering;
  gathering = true;
  try {
    for (const tensor of made) {
      if (tensor._kept) continue;
      if (stays?.has(tensor)) adopt(tensor);
      else tensor.dispose();
    }
  } finally {
    gathering = before;
    releaseGathered();
  }
}

/** What a scope holds: tensors, seen from below. */
export interface Disposable {
  /** @internal */ _kept: boolean;
  /** @internal */ readonly _storage: Storage | null;
  /** Frees what it holds. */
  dispose(): void;
}

// The net: a storage that nobody can reach any more gives its handle back. Handles carry generations, so a late
// finalizer of a storage that was released long ago is ignored by the addon.
const collected = new FinalizationRegistry<number>((handle) => native.release(handle));

// Registration costs as much as an op. Finalizers run between macrotasks only, so it can wait until the running one
// ends: by then a training step has freed by hand nearly all that it made.
let waiting: Storage[] = [];
const smallestSweep = 4096;
let sweepAt = smallestSweep;

/** Lets the garbage collector free the storage if nobody does. @internal */
export function watch(storage: Storage): void {
  if (storage.watched) return;
  storage.watched = true;
  waiting.push(storage);
  if (!scheduled) {
    enterStretch();
  } else if (waiting.length >= sweepAt) {
    waiting = waiting.filter(({ count }) => count > 0);
    sweepAt = Math.max(smallestSweep, 2 * waiting.length);
  }
}

function registerWaiting(): void {
  for (const storage of waiting) if (storage.count > 0) collected.register(storage, storage.handle);
  waiting = [];
  sweepAt = smallestSweep;
}

// A stack for synchronous code only: tidy() refuses promises, so no two asynchronous flows ever share it.
const stack: Disposable[][] = [];

resetBetweenTasks(() => {
  gathering = false;
  releaseGathered();
  for (const made of stack.splice(0)) for (const tensor of made) adopt(tensor);
});

/** Hands a new tensor to the innermost running scope, or to the garbage collector. @internal */
export function adopt(tensor: Disposable): void {
  const scope = stack[stack.length - 1];
  if (scope) scope.push(tensor);
  else if (tensor._storage) watch(tensor._storage);
}

/** Takes a tensor out of all scopes: it lives until it is disposed or collected. Returns it. */
export function keep<T extends Disposable>(tensor: T): T {
  if (!tensor._kept) {
    tensor._kept = true;
    if (tensor._storage) watch(tensor._storage);
  }
  return tensor;
}

/** Runs `fn` and gives the tensors that it made and did not keep. They belong to the caller. @internal */
export function collect<R>(fn: () => R): { result: R; made: Disposable[] } {
  const made: Disposable[] = [];
  const depth = stack.length;
  enterStretch();
  stack.push(made);
  try {
    const result = fn();
    leave(depth, made);
    return { result, made };
  } catch (error) {
    leave(depth, made);
    disposeOf(made);
    throw error;
  }
}

/** Ends a scope, and those within it that were cut off: it takes over their tensors. */
function leave(depth: number, made: Disposable[]): void {
  for (let i = depth + 1; i < stack.length; i++) for (const tensor of stack[i] as Disposable[]) made.push(tensor);
  stack.length = depth;
}

/** An object that holds tensors (a module, an optimiser, a batch) names them by this method. */
export const heldTensors: unique symbol = Symbol.for('tilegrad.heldTensors');

function findTensors(value: unknown, found: Set<unknown>, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if ('_storage' in value && '_kept' in value) {
    found.add(value);
  } else if (heldTensors in value) {
    for (const tensor of (value as { [heldTensors](): Iterable<unknown> })[heldTensors]()) found.add(tensor);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) findTensors(item, found, seen);
  } else if (value instanceof Map) {
    for (const item of value.values()) findTensors(item, found, seen);
  } else if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    for (const item of Object.values(value)) findTensors(item, found, seen);
  }
}

/**
 * Runs synchronous `fn` and frees every tensor made in it, except those in its result (also inside arrays, plain
 * objects, maps, sets and modules) and those given to {@link keep}. Gradients and parameters are kept by themselves.
 * Throws ERR_ARGUMENT if `fn` returns a promise: use a {@link Scope} there.
 */
export function tidy<R>(fn: () => R): R {
  const { result, made } = collect(fn);
  const isPromise = typeof (result as { then?: unknown } | null)?.then === 'function';
  let found: Set<unknown> | undefined;
  if (!isPromise && typeof result === 'object' && result !== null) {
    found = new Set();
    try {
      findTensors(result, found, new Set());
    } catch (error) {
      disposeOf(made);
      throw error;
    }
  }
  disposeOf(made, found);
  if (isPromise)
    throw new TilegradError('ERR_ARGUMENT', 'tidy: the function returned a Promise; use a Scope for asynchronous code');
  return result;
}

/**
 * Holds tensors until it is disposed; for asynchronous code: `using scope = new Scope()`. Nothing is added by itself,
 * since asynchronous flows interleave: hand tensors over with `track`, or run synchronous stretches with `run`.
 */
export class Scope {
  #held: Disposable[] | null = [];

  /** Adds a tensor and returns it. */
  track<T extends Disposable>(tensor: T): T {
    this.#list().push(tensor);
    return tensor;
  }

  /** Runs synchronous `fn`; every tensor made in it belongs to this scope. Returns its result. */
  run<R>(fn: () => R): R {
    const list = this.#list();
    const { result, made } = collect(fn);
    for (const tensor of made) list.push(tensor);
    return result;
  }

  /** Lets go of a tensor: it outlives the scope, as if it had been made outside of any. Returns it. */
  keep<T extends Disposable>(tensor: T): T {
    return keep(tensor);
  }

  /** Frees what the scope holds. A second call does nothing. */
  dispose(): void {
    disposeOf(this.#held ?? []);
    this.#held = null;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #list(): Disposable[] {
    if (!this.#held) throw new TilegradError('ERR_DISPOSED', 'Scope: it was disposed');
    return this.#held;
  }
}
