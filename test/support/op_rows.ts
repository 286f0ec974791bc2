// What test/ops/<op>.ts gives for a room: samples, a plain f64 reference, error inputs. The generator (test/ops.test.ts)
// makes the room's tests out of them (test/support/op_checks.ts), and bench/ its rows.
import type { DType, Tensor } from 'tilegrad';

/** Numbers in row-major order with a shape: what references compute on. Integers and bools are numbers too. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Of an output that has another dtype than the one under test (indices, masks). */
  readonly dtype?: DType;
}

/** How the generator makes an input: drawn from a seed, or given. */
export interface InputSpec {
  shape: readonly number[];
  /** Bounds of the values drawn; floats default to [-2, 2], integers to [-9, 9] ([0, 9] for u8). */
  range?: readonly [number, number];
  /** These values instead of drawn ones, row-major. */
  values?: readonly number[];
  /** Fixed, for class indices and masks; default the dtype under test. */
  dtype?: DType;
  /** Floats that differ by at least 0.05 from one another and from 0: no ties and no kink within reach of a difference quotient. */
  distinct?: boolean;
  /** No gradient is asked for this input (default: asked, if its dtype is a float). */
  grad?: false;
  /** False for an input that is written to: it may change, and may not be an expanded view, whose elements share places. */
  expandable?: false;
}

export interface Sample<A> {
  /** Default: made from the shapes and attributes. */
  name?: string;
  /** Null: an optional input that is absent. */
  inputs: readonly (InputSpec | null)[];
  attrs?: A;
  /** Default: the row's dtypes. */
  dtypes?: readonly DType[];
  /** False where the function has a kink or ties here: values are compared, difference quotients are not taken. */
  smooth?: false;
  /** Set for a sample that bench/ times as well (no small, odd shapes). */
  bench?: true;
}

/**
 * exact: equal. elementwise: 4 ULP in f32 and f64, 1 ULP of the rounded f64 result in f16 and bf16.
 * accumulating: twice the error of the naive same-precision loop plus 1e-5 of the largest reference value.
 */
export type Family = 'exact' | 'elementwise' | 'accumulating';

/** A call that must throw `code`, at once or where its values are awaited, with a text that contains `message`. */
export interface ErrorRow {
  name: string;
  run: () => unknown;
  code: string;
  message: string | RegExp;
}

export interface OpRows<A = undefined> {
  /** The op's name in ops.def or of defineOp, or the name of a public function that is made of ops. */
  name: string;
  /** Tells two rows of one name apart. Default: the name. */
  title?: string;
  /** Further ops that these rows prove, e.g. kernels of the gradient: an op that no row names fails the suite. */
  covers?: readonly string[];
  dtypes: readonly DType[];
  family: Family;
  /** Calls the public function. */
  call: (inputs: readonly (Tensor | null)[], attrs: A) => Tensor | readonly Tensor[];
  /**
   * The definition, written plainly. `round` is the identity for the true value; rows of the accumulating family apply
   * it after every multiplication and addition, so that with Math.fround it gives the naive f32 loop.
   */
  reference: (
    inputs: readonly (NdArray | null)[],
    attrs: A,
    round: (x: number) => number,
  ) => NdArray | readonly NdArray[];
  samples: readonly Sample<A>[];
  /** Samples that bench/ alone runs: too large for a reference in plain JavaScript. */
  timed?: readonly Sample<A>[];
  errors?: readonly ErrorRow[];
  /** False for an op without gradient (comparisons, argmax). */
  differentiable?: false;
  /** False where the gradient has no gradient of its own (must then throw ERR_UNSUPPORTED). */
  secondOrder?: false;
}

/** Lets the compiler check a room's rows; `export default defineRows({...})`, or a list of them. */
export function defineRows<A = undefined>(rows: OpRows<A>): OpRows<A> {
  return rows;
}

/** An NdArray from its shape and a function of the flat row-major index; `dtype` where it is not the one under test. */
export function ndarray(shape: readonly number[], value: (i: number) => number, dtype?: DType): NdArray {
  const n = shape.reduce((a, b) => a * b, 1);
  const data = new Float64Array(n);
  for (let i = 0; i < n; i++) data[i] = value(i);
  return dtype ? { shape, data, dtype } : { shape, data };
}
