// Reverse-mode differentiation over the recorded graph.
import { checkOptions, describeValue, TilegradError } from './error.ts';
import { edgeOf, type Hook, type Meta, type Node, withGrad } from './graph.ts';
import { GradContext, type GradRule } from './op.ts';
import { expectTensors } from './ops/arguments.ts';
import { add, mul } from './ops/elementwise.ts';
import { full } from './ops/full.ts';
import { sumTo } from './ops/reduce.ts';
import { Pending } from './pending_gradients.ts';
import { collect, keep, watch } from './scope.ts';
import { type Shape, Tensor } from './tensor.ts';

export { enableGrad, isGradEnabled, noGrad } from './graph.ts';

/** Options of `backward`. */
export interface BackwardOptions {
  /** Keeps the graph for another pass. Default: the value of `createGraph`. */
  retainGraph?: boolean | undefined;
  /** Records the gradients themselves, for second order. Default: false. */
  createGraph?: boolean | undefined;
}

function seed(root: Tensor, given: Tensor | null | undefined, user: string): Tensor {
  if (given) {
    if (!(given instanceof Tensor))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${user}: the gradient of the output must be a tensor but is ${describeValue(given)}; options stand behind it`,
      );
    if (given.dtype !== root.dtype)
      throw new TilegradError('ERR_DTYPE', `${user}: the gradient is ${given.dtype} but the output ${root.dtype}`);
    if (given.shape.join() !== root.shape.join())
      throw new TilegradError(
        'ERR_SHAPE',
        `${user}: the gradient has shape [${given.shape.join(', ')}] but the output [${root.shape.join(', ')}]`,
      );
    return given;
  }
  if (root.numel !== 1)
    throw new TilegradError(
      'ERR_SHAPE',
      `${user}: the output has shape [${root.shape.join(', ')}] and not one element; reduce it with sum() or mean(), or give its gradient`,
    );
  return full(root.shape, 1, { dtype: root.dtype, device: root.device });
}

/** The nodes that the roots depend on, latest first: every node comes before its inputs. */
function order(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>(roots);
  for (const node of seen) for (const edge of node.edges) if (edge) seen.add(edge.node);
  return [...seen].sort((a, b) => b.id - a.id);
}

/** Which nodes lead to a wanted one: the others need not be computed. */
function leadsTo(ordered: readonly Node[], wanted: ReadonlySet<Node>): Set<Node> {
  const leads = new Set<Node>();
  for (let i = ordered.length - 1; i >= 0; i--) {
    const node = ordered[i] as Node;
    if (wanted.has(node) || node.edges.some((edge) => edge && leads.has(edge.node))) leads.add(node);
  }
  return leads;
}

function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The gradient in the input's shape. */
function fitted(grad: Tensor, meta: Meta, op: string, input: number): Tensor {
  if (!(grad instanceof Tensor))
    throw new TilegradError('ERR_ARGUMENT', `${op}: its gradient rule gave no tensor for input ${input}`);
  return sameShape(grad.shape, meta.shape) ? grad : sumTo(grad, meta.shape);
}

function applyHooks(node: Node, grads: (Tensor | null)[], pending: Pending): void {
  for (const { output, hook } of node.hooks ?? []) {
    const grad = grads[output];
    if (!grad) continue;
    const replaced = hook(grad);
    if (!(replaced instanceof Tensor) || replaced === grad) continue;
    grads[output] = replaced;
    keep(replaced);
    pending.free(grad);
  }
}

function zerosLike({ shape, dtype, device }: Meta): Tensor {
  return full(shape, 0, { dtype, device });
}

/** Runs the rule of one node and files the gradients of its inputs. */
function propagate(
  node: Node,
  grads: (Tensor | null)[],
  pending: Pending,
  leads: Set<Node> | null,
  createGraph: boolean,
): void {
  const op = node.op as NonNullable<Node['op']>;
  if ((op.saves.inputs !== null && !node.savedInputs) || (op.saves.outputs !== null && !node.savedOutputs))
    throw new TilegradError(
      'ERR_ARGUMENT',
      'backward: the graph was freed by an earlier pass; give that one { retainGraph: true }',
    );
  const rule = (): (Tensor | null)[] => {
    const given = grads.map(
      (grad, i) => grad ?? (node.outputs.length === 1 ? zerosLike(node.outputs[i] as Meta) : null),
    );
    const results = (op.grad as GradRule)(new GradContext(node), ...(given as Tensor[]));
    if (results.length !== node.edges.length)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${op.name}: its gradient rule gave ${results.length} gradients for ${node.edges.length} inputs`,
      );
    return node.edges.map((edge, i) => {
      const result = results[i];
      if (!edge || !result || (leads && !leads.has(edge.node))) return null;
      return fitted(result, node.inputs[i] as Meta, op.name, i);
    });
  };
  if (createGraph) {
    file(node, rule(), pending);
    return;
  }
  if (addInPlace(node, grads[0] ?? null, pending, leads)) return;
  const { result, made } = collect(rule);
  try {
    file(
      node,
      result.map((grad) => grad && owned(grad, made)),
      pending,
    );
  } finally {
    for (const tensor of made) if (!tensor._kept) tensor.dispose();
  }
}

/** Adds the gradient of an op that can do so to the one that is there; false if there is none that may change. */
function addInPlace(node: Node, dout: Tensor | null, pending: Pending, leads: Set<Node> | null): boolean {
  const add = node.op?.addGrad;
  const edge = node.edges[0];
  if (!add || !edge || !dout || (leads && !leads.has(edge.node))) return false;
  const into = pending.open(edge.node, edge.output);
  if (!into) return false;
  const { made } = collect(() => add(new GradContext(node), dout, into));
  for (const tensor of made) tensor.dispose();
  return true;
}

function file(node: Node, grads: readonly (Tensor | null)[], pending: Pending): void {
  let i = 0;
  try {
    for (; i < grads.length; i++) {
      const edge = node.edges[i];
      const grad = grads[i];
      if (edge && grad) pending.add(edge.node, edge.output, grad, node.op?.addGrad != null);
    }
  } finally {
    // Those behind one that could not be added belong to nobody.
    for (i += 1; i < grads.length; i++) pending.free(grads[i] ?? null);
  }
}

/** The gradient itself if it was made just now for this one place, else an alias: freed by hand, so outside of all scopes. */
function owned(grad: Tensor, made: readonly unknown[]): Tensor {
  const own = !grad._kept && made.includes(grad) ? grad : grad._alias();
  own._kept = true;
  return own;
}

interface Target {
  node: Node;
  output: number;
  grad: Tensor | null;
}

function runBackward(
  roots: readonly Tensor[],
  rootGrads: readonly (Tensor | null | undefined)[],
  options: BackwardOptions,
  targets: Target[] | null,
  user: string,
): void {
  const createGraph = options.createGraph ?? false;
  const retain = options.retainGraph ?? createGraph;
  const pending = new Pending(!createGraph);
  try {
    withGrad(createGraph, () => {
      const nodes = roots.map((root) => {
        root._live(user);
        const edge = edgeOf(root);
        if (!edge)
          throw new TilegradError(
            'ERR_ARGUMENT',
            `${user}: the output was not computed from a tensor that requires a gradient (requiresGrad: true), or was computed in noGrad()`,
          );
        return edge.node;
      });
      roots.forEach((root, i) => {
        const start = seed(root, rootGrads[i], user);
        const owned = createGraph ? start : start._alias();
        if (!createGraph) {
          owned._kept = true;
          if (!rootGrads[i]) start.dispose();
        }
        pending.add(nodes[i] as Node, root._output, owned);
      });
      const ordered = order(nodes);
      const leads = targets && leadsTo(ordered, new Set(targets.map((t) => t.node)));
      for (const node of ordered) {
        if (!pending.has(node)) continue;
        const grads = pending.take(node);
        try {
          applyHooks(node, grads, pending);
          for (const target of targets ?? [])
            if (target.node === node && grads[target.output])
              target.grad = finish(grads[target.output] as Tensor, createGraph);
          if (node.leaf) {
            if (!targets && accumulate(node.leaf, grads[0] as Tensor, createGraph)) grads[0] = null;
          } else if (!leads || node.edges.some((edge) => edge && leads.has(edge.node))) {
            propagate(node, grads, pending, leads, createGraph);
          }
        } finally {
          for (const grad of grads) pending.free(grad);
        }
        if (!retain && node.op) node.free();
      }
    });
  } finally {
    pending.freeAll();
  }
}

/** A gradient as the user gets it: outside of all scopes. */
function finish(grad: Tensor, createGraph: boolean): Tensor {
  return createGraph ? grad : keep(grad._alias());
}

/** Adds the gradient to the leaf's; true if the leaf took the tensor over. */
function accumulate(leaf: Tensor, grad: Tensor, createGraph: boolean): boolean {
  if (leaf.isDisposed) return false;
  if (!leaf.grad) {
    const storage = grad._live('backward');
    // What others see as well, or as a view, is copied: optimisers and clipping write into gradients.
    const own = createGraph || (storage.count === 1 && storage.base === storage);
    leaf.grad = keep(own ? grad : mul(grad, 1));
    watch(leaf.grad._live('backward'));
    return own;
  }
  if (createGraph) {
    leaf.grad = keep(add(leaf.grad, grad));
  } else {
    leaf.grad._take(add(leaf.grad, grad));
  }
  return false;
}

/**
 * Adds the gradient of `tensor` for each leaf that requires one to the leaf's `grad`, and frees the graph.
 * A tensor of more than one element needs `gradient`, of its shape. As torch.Tensor.backward.
 */
export function backward(tensor: Tensor, gradient?: Tensor | null, options: BackwardOptions = {}): void {
  checkOptions('backward', options, ['retainGraph', 'createGraph']);
  runBackward([tensor], [gradient], options, null, 'backward');
}

/**
 * The gradients of the sum of `outputs`, weighted by `gradOutputs` (one for each output; of a single one also by itself),
 * for each of `inputs`; leaves no trace in `.grad`.
 * An input that the outputs do not depend on throws ERR_ARGUMENT, or gives null with `allowUnused`.
 * As torch.autograd.grad.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: BackwardOptions & {
    gradOutputs?: Tensor | readonly (Tensor | null)[] | undefined;
    allowUnused?: boolean | undefined;
  } = {},
): Tensor[] {
  checkOptions('grad', options, ['retainGraph', 'createGraph', 'gradOutputs', 'allowUnused']);
  const roots = outputs instanceof Tensor ? [outputs] : outputs;
  const wanted = inputs instanceof Tensor ? [inputs] : inputs;
  expectTensors('grad', roots);
  expectTensors('grad', wanted);
  const { gradOutputs = [] } = options;
  const given = gradOutputs instanceof Tensor ? [gradOutputs] : gradOutputs;
  if (given.length > 0 && given.length !== roots.length)
    throw new TilegradError('ERR_ARGUMENT', `grad: ${given.length} gradOutputs for ${roots.length} outputs`);
  const targets = wanted.map((input, i): Target => {
    const edge = edgeOf(input);
    if (!edge) throw new TilegradError('ERR_ARGUMENT', `grad: input ${i} does not require a gradient`);
    return { node: edge.node, output: edge.output, grad: null };
  });
  runBackward(roots, given, options, targets, 'grad');
  return targets.map((target, i) => {
    if (!target.grad && !options.allowUnused)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `grad: the outputs do not depend on input ${i}; pass allowUnused to get null for it`,
      );
    return target.grad as Tensor;
  });
}

/**
 * A function that computes `fn` and its gradients for the tensor arguments: returns [value, gradients].
 * `fn` must return one tensor of one element. As jax.value_and_grad.
 */
export function valueAndGrad<A extends readonly Tensor[]>(
  fn: (...args: A) => Tensor,
): (...args: A) => [Tensor, Tensor[]] {
  return (...args) =>
    withGrad(true, () => {
      const inputs = args.map((arg) => arg.detach().requiresGrad_());
      const value = fn(...(inputs as unknown as A));
      const gradients = grad(value, inputs);
      return [value.detach(), gradients];
    });
}

declare module './tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link backward} of this tensor. */
    backward(gradient?: Tensor | null, options?: BackwardOptions): void;
    /** The same elements without history: no gradient flows through the result. */
    detach(): Tensor<S>;
    /** Calls `hook` with this tensor's gradient in every backward pass; what it returns replaces it. Returns the remover. */
    registerHook(hook: Hook): () => void;
  }
}

Tensor.prototype.backward = function (gradient, options) {
  backward(this, gradient, options);
};

Tensor.prototype.detach = function () {
  return this._alias();
};

Tensor.prototype.registerHook = function (hook) {
  const edge = edgeOf(this);
  if (!edge) throw new TilegradError('ERR_ARGUMENT', 'registerHook: the tensor does not require a gradient');
  const entry = { output: edge.output, hook };
  edge.node.hooks = [...(edge.node.hooks ?? []), entry];
  return () => {
    edge.node.hooks = edge.node.hooks?.filter((other) => other !== entry) ?? null;
  };
};
