// The gradients of a backward pass that their nodes have not taken yet.
import type { Node } from './graph.ts';
import { add } from './ops/elementwise.ts';
import type { Tensor } from './tensor.ts';

/** The gradients on their way, by node and output. They are owned here and freed as they are used up. @internal */
export class Pending {
  readonly #grads = new Map<Node, (Tensor | null)[]>();
  // Those of parts whose elements nothing else can see, not even as a view.
  #alone: Set<Tensor> | null = null;
  readonly #owns: boolean;

  constructor(owns: boolean) {
    this.#owns = owns;
  }

  has(node: Node): boolean {
    return this.#grads.has(node);
  }

  /** The gradient that may be added to in place, if there is one. */
  open(node: Node, output: number): Tensor | null {
    const grad = this.#grads.get(node)?.[output];
    return grad && this.#alone?.has(grad) ? grad : null;
  }

  /** Adds a gradient; takes over the tensor. `alone`: nothing else sees its elements. */
  add(node: Node, output: number, grad: Tensor, alone = false): void {
    let list = this.#grads.get(node);
    if (!list) {
      list = node.outputs.map(() => null);
      this.#grads.set(node, list);
    }
    const before = list[output] ?? null;
    if (before) {
      try {
        const sum = this.#own(add(before, grad));
        list[output] = sum;
        if (alone || this.#alone?.has(before)) this.#nobodyElseSees(sum);
      } finally {
        this.free(grad);
      }
      this.free(before);
    } else {
      list[output] = grad;
      if (alone) this.#nobodyElseSees(grad);
    }
  }

  take(node: Node): (Tensor | null)[] {
    const list = this.#grads.get(node) as (Tensor | null)[];
    this.#grads.delete(node);
    return list;
  }

  free(grad: Tensor | null): void {
    if (this.#owns) grad?.dispose();
  }

  freeAll(): void {
    for (const list of this.#grads.values()) for (const grad of list) this.free(grad);
    this.#grads.clear();
  }

  #nobodyElseSees(grad: Tensor): void {
    if (!this.#owns) return;
    this.#alone ??= new Set();
    this.#alone.add(grad);
  }

  // Marked as kept without the garbage collector's registration: every one of them is freed by hand.
  #own(grad: Tensor): Tensor {
    if (this.#owns) grad._kept = true;
    return grad;
  }
}
