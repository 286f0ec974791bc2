// The one record of what was computed: nodes with op, inputs, attributes and outputs. lib/op.ts writes it through
// `record`; autograd, compile, export and printing read it.
import type { Device } from './device.ts';
import type { DType } from './dtype.ts';
import { TilegradError } from './error.ts';
import type { OpRecord } from './op.ts';
import { enterStretch, resetBetweenTasks, type Storage } from './scope.ts';
import { Tensor } from './tensor.ts';

/** Attribute values of an op call, by the names of its native schema. */
export type AttrValue = number | boolean | string | readonly number[];
/** Attributes of an op call by name. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** Sees a gradient on its way, and may return another in its place. */
export type Hook = (grad: Tensor) => Tensor | undefined;

/** Where a gradient goes on: output `output` of `node`. */
export interface Edge {
  readonly node: Node;
  readonly output: number;
}

/** What is known of a tensor without holding its elements. */
export interface Meta {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly device: Device;
}

/** A tensor that the tape holds for the gradient: its elements stay when the user disposes it. */
export interface Saved {
  readonly storage: Storage;
  readonly version: number;
}

let nextId = 0;

/** One recorded op call, or a leaf where gradients end. */
export class Node {
  /** Grows with every node: a node's inputs always have smaller ids. */
  readonly id: number = nextId++;
  readonly op: OpRecord | null;
  /** The leaf tensor; null for an op call. */
  readonly leaf: Tensor | null;
  readonly attrs: Attrs;
  /** Per input: where its gradient goes, or null if none is wanted. */
  readonly edges: readonly (Edge | null)[];
  readonly inputs: readonly (Meta | null)[];
  readonly outputs: readonly Meta[];
  /** Null once the graph was freed by a backward pass. */
  savedInputs: (Saved | null)[] | null = null;
  savedOutputs: (Saved | null)[] | null = null;
  /** Called with the gradient of an output; may replace it. */
  hooks: { output: number; hook: Hook }[] | null = null;

  constructor(
    op: OpRecord | null,
    leaf: Tensor | null,
    attrs: Attrs,
    edges: readonly (Edge | null)[],
    inputs: readonly (Meta | null)[],
    outputs: readonly Meta[],
  ) {
    this.op = op;
    this.leaf = leaf;
    this.attrs = attrs;
    this.edges = edges;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** Lets go of the saved tensors. */
  free(): void {
    for (const saved of this.savedInputs ?? []) saved?.storage.release();
    for (const saved of this.savedOutputs ?? []) saved?.storage.release();
    this.savedInputs = null;
    this.savedOutputs = null;
  }
}

/** Where the gradient of a tensor goes; null if it wants none. */
export function edgeOf(tensor: Tensor): Edge | null {
  if (tensor._node === null) {
    if (!tensor.requiresGrad) return null;
    tensor._node = new Node(null, tensor, {}, [], [], [tensor]);
  }
  return { node: tensor._node, output: tensor._output };
}

let gradEnabled = true;

resetBetweenTasks(() => {
  gradEnabled = true;
  tracers.length = 0;
});

/** Whether operations are recorded for gradients now. */
export function isGradEnabled(): boolean {
  return gradEnabled;
}

/** Runs synchronous `fn` with recording switched on or off. Throws ERR_ARGUMENT if it returns a promise. @internal */
export function withGrad<R>(enabled: boolean, fn: () => R): R {
  const before = gradEnabled;
  enterStretch();
  gradEnabled = enabled;
  try {
    const result = fn();
    if (typeof (result as { then?: unknown } | null)?.then === 'function')
      throw new TilegradError('ERR_ARGUMENT', 'noGrad: the function returned a Promise; it must be synchronous');
    return result;
  } finally {
    gradEnabled = before;
  }
}

/** Runs synchronous `fn` without recording: nothing made in it has a gradient. */
export function noGrad<R>(fn: () => R): R {
  return withGrad(false, fn);
}

/** Runs synchronous `fn` with recording on, also inside {@link noGrad}. */
export function enableGrad<R>(fn: () => R): R {
  return withGrad(true, fn);
}

/** Sees every op call, recorded for gradients or not. */
export type Tracer = (
  op: OpRecord,
  inputs: readonly (Tensor | null)[],
  attrs: Attrs,
  outputs: readonly Tensor[],
) => void;

const tracers: Tracer[] = [];

/** Runs synchronous `fn` while `tracer` sees each op call. Tracers nest. */
export function trace<R>(tracer: Tracer, fn: () => R): R {
  const depth = tracers.length;
  enterStretch();
  tracers.push(tracer);
  try {
    return fn();
  } finally {
    tracers.length = depth;
  }
}

/** Runs synchronous `fn` while no tracer sees its op calls: the library's own reads for printing. @internal */
export function untraced<R>(fn: () => R): R {
  const before = tracers.splice(0);
  try {
    return fn();
  } finally {
    tracers.unshift(...before);
  }
}

function save(tensor: Tensor | null | undefined): Saved | null {
  if (!tensor) return null;
  const storage = tensor._live('save');
  storage.count += 1;
  return { storage, version: storage.base.version };
}

/** The hook through which lib/op.ts writes the graph. @internal */
export function record(
  op: OpRecord,
  inputs: readonly (Tensor | null)[],
  attrs: Attrs,
  outputs: readonly Tensor[],
): void {
  for (const tracer of tracers) tracer(op, inputs, attrs, outputs);
  if (!gradEnabled || op.grad === 'none') return;
  let wanted = false;
  const edges = inputs.map((input) => {
    const edge = input && edgeOf(input);
    wanted ||= edge !== null;
    return edge;
  });
  if (!wanted) return;
  const node = new Node(op, null, frozen(attrs), edges, inputs.map(metaOf), outputs.map(metaOf) as Meta[]);
  const { saves } = op;
  if (saves.inputs !== null) {
    const all = saves.inputs === 'all';
    node.savedInputs = inputs.map((input, i) =>
      all || (saves.inputs as readonly number[]).includes(i) ? save(input) : null,
    );
  }
  const kept = typeof saves.outputs === 'function' ? saves.outputs(attrs) : saves.outputs;
  if (kept !== null) node.savedOutputs = outputs.map((output, i) => (kept.includes(i) ? save(output) : null));
  for (let i = 0; i < outputs.length; i++) {
    const output = outputs[i] as Tensor;
    if (op.differentiable !== 'all' && !op.differentiable.includes(i)) continue;
    output._node = node;
    output._output = i;
  }
}

/** The attributes as they were at the call: the caller may change a list of his before the gradient reads it. */
function frozen(attrs: Attrs): Attrs {
  let copy: Record<string, AttrValue> | null = null;
  for (const name in attrs) {
    const value = attrs[name] as AttrValue;
    if (!Array.isArray(value) || Object.isFrozen(value)) continue;
    copy ??= { ...attrs };
    copy[name] = Object.freeze(value.slice());
  }
  return copy ?? attrs;
}

function metaOf(tensor: Tensor | null): Meta | null {
  return tensor && { shape: tensor.shape, dtype: tensor.dtype, device: tensor.device };
}

/** A tensor again from what the tape saved, connected to the graph by `edge`. Throws if it was changed in place. @internal */
export function unpack(node: Node, saved: Saved, meta: Meta, edge: Edge | null, what: string): Tensor {
  const { storage, version } = saved;
  if (storage.base.version !== version)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `backward: ${what} of ${node.op?.name} was changed in place after it was saved for the gradient (version ${version}, now ${storage.base.version})`,
    );
  storage.count += 1;
  const tensor = new Tensor(storage, meta.shape, meta.dtype, meta.device);
  if (edge) {
    tensor._node = edge.node;
    tensor._output = edge.output;
  }
  return tensor;
}
