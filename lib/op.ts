// How an op is defined and run: the only caller of native.run, and the only writer of the graph.
import { cpu, type Device } from './device.ts';
import { type DType, dtypeCode, dtypes } from './dtype.ts';
import { describeValue, TilegradError } from './error.ts';
import { type Attrs, type AttrValue, type Meta, type Node, noGrad, record, unpack } from './graph.ts';
import { type NativeOp, native } from './native.ts';
import { adopt, resetBetweenTasks, Storage } from './scope.ts';
import { type Shape, Tensor } from './tensor.ts';

/** Runs the op on inputs (null: an optional one is absent) and attributes. */
export interface Run {
  /** The first output. */
  (inputs: readonly (Tensor | null)[], attrs?: Attrs, device?: Device): Tensor;
  /** All outputs. */
  all(inputs: readonly (Tensor | null)[], attrs?: Attrs, device?: Device): Tensor[];
}

/** What a gradient rule sees of the call. */
export class GradContext {
  readonly attrs: Attrs;
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
    this.attrs = node.attrs;
  }

  /** Input i, if `saves.inputs` names it. */
  input(i: number): Tensor {
    const saved = this.#node.savedInputs?.[i];
    if (!saved) throw this.#missing('input', i);
    const made = unpack(this.#node, saved, this.#node.inputs[i] as Meta, this.#node.edges[i] ?? null, `input ${i}`);
    adopt(made);
    return made;
  }

  /** Output i, if `saves.outputs` names it. */
  output(i: number): Tensor {
    const saved = this.#node.savedOutputs?.[i];
    if (!saved) throw this.#missing('output', i);
    const edge = { node: this.#node, output: i };
    const made = unpack(this.#node, saved, this.#node.outputs[i] as Meta, edge, `output ${i}`);
    adopt(made);
    return made;
  }

  /** Whether input i was given at all. */
  has(i: number): boolean {
    return this.#node.inputs[i] != null;
  }

  /** Whether a gradient of input i is wanted. */
  needs(i: number): boolean {
    return this.#node.edges[i] != null;
  }

  /** The number of inputs of the call. */
  get inputCount(): number {
    return this.#node.inputs.length;
  }

  /** Shape, dtype and device of input i, saved or not. */
  inputMeta(i: number): Meta {
    return this.#node.inputs[i] as Meta;
  }

  /** Shape, dtype and device of output i. */
  outputMeta(i: number): Meta {
    return this.#node.outputs[i] as Meta;
  }

  #missing(what: string, i: number): TilegradError {
    const name = this.#node.op?.name;
    return new TilegradError('ERR_ARGUMENT', `${name}: its gradient reads ${what} ${i}, which \`saves\` does not name`);
  }
}

/**
 * The gradient of an op: from the gradients of its outputs (null where none arrived; of a single output it is never
 * null) to one per input, null for none. Written with ops, so that it has gradients itself. A gradient in the
 * broadcast shape is summed back to the input's shape by the caller.
 */
export type GradRule = (ctx: GradContext, ...outputGrads: Tensor[]) => Grads;
/** One gradient per input, null for none. Rules that call their own op need it as their written return type. */
export type Grads = readonly (Tensor | null)[];

/** How a call is written in ONNX: nodes are added to `graph`, the names of the outputs returned. */
export interface OnnxGraph {
  /** Adds a node and returns the name of its output. */
  node(type: string, inputs: readonly string[], attributes?: Record<string, AttrValue>): string;
  /** Adds a node with several outputs. */
  nodes(type: string, inputs: readonly string[], outputs: number, attributes?: Record<string, AttrValue>): string[];
  /** A constant tensor of whole numbers (i64) or of floats. */
  constant(values: readonly number[], dtype?: DType, shape?: readonly number[]): string;
}
/** A recorded call as an ONNX rule sees it: names, shapes and dtypes of its inputs and outputs, and its attributes. */
export interface OnnxCall {
  inputs: readonly string[];
  inputMeta: readonly (Meta | null)[];
  outputMeta: readonly Meta[];
  attrs: Attrs;
}
/** Writes a call into an ONNX graph and gives the names of its outputs. */
export type OnnxRule = (graph: OnnxGraph, call: OnnxCall) => string | string[];

/** What `defineOp` takes: how an op is called, its gradient and its form in ONNX. */
export interface OpSpec<F> {
  /** Turns the friendly signature into `run(inputs, attrs)`. */
  call: (run: Run) => F;
  /** What the tape keeps for `grad`; default nothing. */
  saves?: {
    /** Indices of the inputs. */
    inputs?: readonly number[] | 'all';
    /** Indices of the outputs, or a function of the attributes that gives them. */
    outputs?: readonly number[] | ((attrs: Attrs) => readonly number[]);
  };
  grad: GradRule | 'none';
  /** The name of the ONNX operator with the same inputs and no attributes, a rule, or 'none'. */
  onnx: OnnxRule | string;
  /** Indices of the outputs that have gradients; default all. */
  differentiable?: readonly number[];
  /**
   * For an op of one input whose gradient is a tensor of its own that is mostly zeros: adds it to `into` in place, so that many
   * calls on one input take the time of what they read.
   */
  addGrad?: (ctx: GradContext, dout: Tensor, into: Tensor) => void;
  /** For ops in place: how many of the inputs, from the first, are written. Default all. */
  writes?: (inputCount: number, attrs: Attrs) => number;
  /** For ops without native kernels: computes the outputs with other ops. Its own steps are not recorded. */
  compute?: (inputs: readonly (Tensor | null)[], attrs: Attrs) => Tensor | Tensor[];
}

/** A defined op. */
export interface OpRecord {
  readonly name: string;
  readonly native: NativeOp | null;
  readonly grad: GradRule | 'none';
  readonly onnx: OnnxRule | string;
  readonly saves: {
    inputs: readonly number[] | 'all' | null;
    outputs: readonly number[] | ((attrs: Attrs) => readonly number[]) | null;
  };
  readonly differentiable: readonly number[] | 'all';
  readonly addGrad: ((ctx: GradContext, dout: Tensor, into: Tensor) => void) | null;
}

const nativeIds = new Map<string, number>(native.ops().map((op, id) => [op.name, id]));
const nativeOps = native.ops();
const defined = new Map<string, OpRecord>();

/** All defined ops by name, those of users included. */
export const definedOps: ReadonlyMap<string, OpRecord> = defined;

type Encoder = (command: Float64Array, at: number, value: AttrValue | undefined) => number;

function reject(op: string, attr: string, expected: string, value: unknown): never {
  throw new TilegradError('ERR_ARGUMENT', `${op}: ${attr} must be ${expected} but is ${describeValue(value)}`);
}

function encoder(op: NativeOp, i: number): Encoder {
  const { name, type, choices } = op.attrs[i] as NativeOp['attrs'][number];
  if (type === 'integers')
    return (command, at, value) => {
      if (!Array.isArray(value)) return reject(op.name, name, 'a list of whole numbers', value);
      const { length } = value;
      if (length > 64) return reject(op.name, name, 'a list of at most 64 numbers', `one of ${length}`);
      command[at++] = length;
      for (let k = 0; k < length; k++) {
        const entry = value[k];
        if (!Number.isSafeInteger(entry)) return reject(op.name, name, 'a list of whole numbers', value);
        command[at++] = entry;
      }
      return at;
    };
  if (type === 'choice') {
    const names = choices.split('|');
    return (command, at, value) => {
      const index = names.indexOf(value as string);
      if (index < 0) return reject(op.name, name, `one of '${names.join("', '")}'`, value);
      command[at] = index;
      return at + 1;
    };
  }
  if (type === 'dtype')
    return (command, at, value) => {
      if (typeof value !== 'string') return reject(op.name, name, `a dtype (${dtypes.join(', ')})`, value);
      command[at] = dtypeCode(value as DType);
      return at + 1;
    };
  if (type === 'boolean')
    return (command, at, value) => {
      if (typeof value !== 'boolean') return reject(op.name, name, 'true or false', value);
      command[at] = value ? 1 : 0;
      return at + 1;
    };
  if (type === 'integer')
    return (command, at, value) => {
      if (!Number.isSafeInteger(value)) return reject(op.name, name, 'a whole number', value);
      command[at] = value as number;
      return at + 1;
    };
  return (command, at, value) => {
    if (typeof value !== 'number') return reject(op.name, name, 'a number', value);
    command[at] = value;
    return at + 1;
  };
}

// Numbers per output in the answer: handle, alias, dtype, rank, 8 dims.
const outputRecord = 12;
const commandLength = 1024;
const sharedCommand = native.command ?? new Float64Array(commandLength);
// A getter in a user's array may call an op while another is being encoded; that one gets a command of its own.
let encoding = false;
resetBetweenTasks(() => {
  encoding = false;
});

function nativeRunner(
  native_: NativeOp,
  id: number,
  writes: OpSpec<unknown>['writes'],
): (inputs: readonly (Tensor | null)[], attrs: Attrs, device: Device) => Tensor[] {
  const { name } = native_;
  const encoders = native_.attrs.map((_, i) => encoder(native_, i));
  const attrNames = native_.attrs.map((attr) => attr.name);
  return (inputs, attrs, device) => {
    const count = inputs.length;
    const own = encoding || count > 256;
    const command = own ? new Float64Array(commandLength + count + outputRecord * 64) : sharedCommand;
    const wasEncoding = encoding;
    encoding = true;
    let place = device;
    let total: number;
    try {
      let at = 3;
      for (let i = 0; i < count; i++) {
        const input = inputs[i] as Tensor | null;
        if (input === null) {
          command[at++] = 0;
        } else {
          if (!(input instanceof Tensor)) reject(name, `input ${i}`, 'a tensor', input);
          command[at++] = input._live(name).handle;
          place = input.device;
        }
      }
      for (let i = 0; i < encoders.length; i++)
        at = (encoders[i] as Encoder)(command, at, attrs[attrNames[i] as string]);
      command[0] = id;
      command[1] = place.index;
      command[2] = count;
      total = command === native.command ? native.run() : native.run(command);
    } finally {
      encoding = wasEncoding;
    }
    // Nearly always one: a list of one is made faster than an empty one grows.
    const outputs = total > 0 ? [outputAt(command, 0, inputs, place)] : [];
    for (let i = 1; i < total; i++) outputs.push(outputAt(command, i, inputs, place));
    for (const output of outputs) adopt(output);
    if (native_.inPlace) {
      const written = writes ? writes(count, attrs) : count;
      for (let i = 0; i < written; i++) {
        const input = inputs[i];
        if (input) input._live(name).base.version += 1;
      }
    }
    return outputs;
  };
}

/** Output i of an answer. */
function outputAt(command: Float64Array, i: number, inputs: readonly (Tensor | null)[], place: Device): Tensor {
  const at = i * outputRecord;
  const alias = command[at + 1] as number;
  const shape = shapeOf(command, at + 3, inputs);
  const base = alias < 0 ? null : (inputs[alias] as Tensor)._storage;
  const storage = new Storage(command[at] as number, base);
  return new Tensor(storage, shape, dtypes[command[at + 2] as number] as DType, place);
}

/** The shape at [rank, dims...]: an input's own where it is the same, since making and freezing one takes longer. */
function shapeOf(command: Float64Array, at: number, inputs: readonly (Tensor | null)[]): Shape {
  const rank = command[at] as number;
  for (let i = 0; i < inputs.length && i < 2; i++) {
    const shape = inputs[i]?.shape;
    if (shape?.length !== rank) continue;
    let d = 0;
    while (d < rank && shape[d] === command[at + 1 + d]) d++;
    if (d === rank) return shape;
  }
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) shape.push(command[at + 1 + d] as number);
  return Object.freeze(shape);
}

const noAttrs: Attrs = Object.freeze({});

/**
 * Defines an op and returns the function that users call, as `spec.call` shapes it.
 *
 * An op of the library has native kernels under the same name. An op of your own gives `compute` instead, written with
 * other ops, and gains what a built-in one has: a gradient of its own, second order, tracing, export.
 * Throws ERR_ARGUMENT when the name is taken, or names neither a native op nor a `compute`.
 */
export function defineOp<F>(name: string, spec: OpSpec<F>): F {
  if (defined.has(name)) throw new TilegradError('ERR_ARGUMENT', `defineOp: '${name}' is defined already`);
  const id = nativeIds.get(name);
  if (id === undefined && !spec.compute)
    throw new TilegradError('ERR_ARGUMENT', `defineOp: '${name}' has neither native kernels nor \`compute\``);
  if (id !== undefined && spec.compute)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `defineOp: '${name}' has native kernels; \`compute\` is for ops of your own`,
    );
  const op: OpRecord = {
    name,
    native: id === undefined ? null : (nativeOps[id] as NativeOp),
    grad: spec.grad,
    onnx: spec.onnx,
    saves: { inputs: spec.saves?.inputs ?? null, outputs: spec.saves?.outputs ?? null },
    differentiable: spec.differentiable ?? 'all',
    addGrad: spec.addGrad ?? null,
  };
  defined.set(name, op);
  const { compute } = spec;
  const execute = compute
    ? (inputs: readonly (Tensor | null)[], attrs: Attrs): Tensor[] => {
        for (const input of inputs) input?._live(name);
        const result = noGrad(() => compute(inputs, attrs));
        const outputs = Array.isArray(result) ? result : [result];
        // The tape tells outputs from inputs by identity.
        return outputs.map((output) => (inputs.includes(output) ? output._alias() : output));
      }
    : nativeRunner(op.native as NativeOp, id as number, spec.writes);
  const all = (inputs: readonly (Tensor | null)[], attrs: Attrs = noAttrs, device: Device = cpu): Tensor[] => {
    const outputs = execute(inputs, attrs, device);
    record(op, inputs, attrs, outputs);
    return outputs;
  };
  const run = (inputs: readonly (Tensor | null)[], attrs?: Attrs, device?: Device): Tensor =>
    all(inputs, attrs, device)[0] as Tensor;
  return spec.call(Object.assign(run, { all }));
}

/** Throws unless every native op is defined in lib/ops: called once when they all are. @internal */
export function checkAllDefined(): void {
  const missing = [...nativeIds.keys()].filter((name) => !defined.has(name));
  if (missing.length > 0)
    throw new TilegradError('ERR_UNSUPPORTED', `the addon has ops that lib/ops does not define: ${missing.join(', ')}`);
}
