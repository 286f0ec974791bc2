// Rows of the ops that make one step of an optimiser, in place: a rule for one element says what the step is.
import { noGrad, type Tensor } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, type OpRows, type Sample } from './op_rows.ts';

/** Rounds to the precision under test. */
export type Round = (x: number) => number;
/** One element: the parameter, its states and the gradient; gives the parameter and the states after the step. */
export type Rule<A> = (v: number[], attrs: A, r: Round) => number[];

export interface Update<A> {
  name: string;
  title?: string;
  /** Bounds of the values of each state. */
  states: readonly (readonly [number, number])[];
  /** `lists` are parameters, states and gradients. */
  run: (lists: readonly (readonly Tensor[])[], attrs: A) => void;
  rule: Rule<A>;
  attrs: readonly A[];
}

const shapes: readonly (readonly number[])[][] = [[[]], [[3, 5], [7], [0], [2, 3, 11]], [[300, 130]]];

function splitLists<T>(all: readonly T[], lists: number): T[][] {
  const count = all.length / lists;
  return Array.from({ length: lists }, (_, k) => all.slice(k * count, (k + 1) * count));
}

/** The rows of an update op: its outputs are the parameters and the states, which it writes in place. */
export function rowsOf<A>({ name, title, states, run, rule, attrs }: Update<A>): OpRows<A> {
  const lists = states.length + 2;
  const inputs = (of: readonly (readonly number[])[]): InputSpec[] => {
    const list = (range: readonly [number, number], written: boolean) =>
      of.map((shape): InputSpec => ({ shape, range, grad: false, ...(written ? { expandable: false } : {}) }));
    return [...list([-2, 2], true), ...states.flatMap((range) => list(range, true)), ...list([-1, 1], false)];
  };
  return defineRows<A>({
    name,
    ...(title === undefined ? {} : { title }),
    dtypes: ['f32', 'f64', 'f16', 'bf16'],
    family: 'accumulating',
    differentiable: false,
    call: (given, values) => {
      const all = splitLists(given as readonly Tensor[], lists);
      noGrad(() => run(all, values));
      return all.slice(0, -1).flat();
    },
    reference: (given, values, round) => {
      const all = splitLists(given as readonly NdArray[], lists);
      const after = all.slice(0, -1).map((list) => list.map((x) => ({ ...x, data: x.data.slice() })));
      all[0]!.forEach((param, p) => {
        for (let i = 0; i < param.data.length; i++) {
          const v = all.map((list) => list[p]!.data[i]!);
          rule(v, values, round).forEach((value, k) => {
            after[k]![p]!.data[i] = value;
          });
        }
      });
      return after.flat();
    },
    samples: attrs.flatMap((values, a) =>
      shapes.slice(0, a === 0 ? 3 : 2).map(
        (of): Sample<A> => ({
          name: `${JSON.stringify(of)} ${JSON.stringify(values)}`,
          inputs: inputs(of),
          attrs: values,
        }),
      ),
    ),
  });
}

/** What every rule is told. */
export interface Common {
  lr: number;
  weightDecay?: number;
  maximize?: boolean;
}

/** Of a rule that knows the number of its step. */
export interface Counted extends Common {
  step: number;
}

/** The gradient that the step uses. */
export function gradient(param: number, grad: number, { weightDecay = 0, maximize = false }: Common, r: Round): number {
  const g = maximize ? -grad : grad;
  return weightDecay === 0 ? g : r(g + r(weightDecay * param));
}

/** a * x + b * y, rounded. */
export const mix = (a: number, x: number, b: number, y: number, r: Round) => r(r(a * x) + r(b * y));
