// How elementwise functions take their operands: tensors of any dtypes, which meet by `promote`, and numbers, which take
// the dtype of the tensors.
import type { Device } from '../device.ts';
import { type DType, promote } from '../dtype.ts';
import { describeValue, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import {
  defineOp,
  type GradContext,
  type GradRule,
  type Grads,
  type OnnxCall,
  type OnnxGraph,
  type OnnxRule,
} from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import type { OfOperands } from '../typed_shapes.ts';
import { cast } from './cast.ts';
import { full } from './full.ts';

/** A tensor, or a number that takes the dtype of the tensor beside it. */
export type Operand = Tensor | number;

/** What an elementwise function gives besides its name. */
export interface Row {
  saves?: { inputs?: readonly number[] | 'all'; outputs?: readonly number[] };
  grad: GradRule | 'none';
  onnx: OnnxRule | string;
}

/** The names of numbers beside tensors, by input. */
const numberOf = (attrs: Attrs, i: number): number =>
  (attrs.scalar ?? (i === 1 ? attrs.scalar_b : attrs.scalar_c)) as number;

/** The operands of a call in ONNX: numbers become constants of the tensors' dtype. */
export function onnxOperands(graph: OnnxGraph, call: OnnxCall, count: number): string[] {
  const { inputs, inputMeta, attrs } = call;
  const dtype = inputMeta.findLast((meta) => meta !== null)?.dtype;
  const constant = (i: number): string => graph.constant([numberOf(attrs, i)], dtype, []);
  if (attrs.side === 'left') return [constant(0), inputs[0] as string];
  return Array.from({ length: count }, (_, i) => (inputMeta[i] ? (inputs[i] as string) : constant(i)));
}

const onnxRule = (rule: OnnxRule | string, count: number): OnnxRule | string =>
  typeof rule === 'string' && rule !== 'none'
    ? (graph, call) => graph.node(rule, onnxOperands(graph, call, count))
    : rule;

/** Throws ERR_ARGUMENT unless `value` is an operand. */
function checkOperand(op: string, value: unknown): void {
  if (value instanceof Tensor || typeof value === 'number') return;
  const what = typeof value === 'bigint' ? 'a bigint; i64 takes numbers up to 2^53' : describeValue(value);
  const hint = Array.isArray(value) ? '; make it one with tensor()' : '';
  throw new TilegradError('ERR_ARGUMENT', `${op}: expects a tensor or a number but got ${what}${hint}`);
}

/** A function of one tensor whose result has its shape. */
export type Unary = <S extends Shape>(x: Tensor<S>) => Tensor<S>;
/** A function of two operands that broadcast. */
export type Binary = <A extends Operand, B extends Operand>(a: A, b: B) => Tensor<OfOperands<A, B>>;

/** Defines a function of one tensor. */
export function unary(name: string, row: Row): Unary {
  return defineOp(name, { ...row, call: (run) => (x: Tensor) => run([x]) });
}

/** Defines a function of one tensor with the parameters of its schema. */
export function unaryWith(name: string, row: Row): (x: Tensor, attrs: Attrs) => Tensor {
  return defineOp(name, { ...row, call: (run) => (x: Tensor, attrs: Attrs) => run([x], attrs) });
}

const noScalar: Attrs = Object.freeze({ scalar: 0, side: 'none' });

/** Defines a function of two operands, at least one of them a tensor, with the parameters of its schema. */
export function binaryWith(name: string, row: Row): (a: Operand, b: Operand, attrs?: Attrs) => Tensor {
  return defineOp(name, {
    ...row,
    onnx: onnxRule(row.onnx, 2),
    call: (run) => (a: Operand, b: Operand, attrs?: Attrs) => {
      if (typeof b === 'number') return run([a as Tensor], { ...attrs, scalar: b, side: 'right' });
      if (typeof a === 'number') return run([b], { ...attrs, scalar: a, side: 'left' });
      checkOperand(name, a);
      checkOperand(name, b);
      const both = attrs ? { ...attrs, ...noScalar } : noScalar;
      if (a.dtype === b.dtype) return run([a, b], both);
      const dtype = promote(a.dtype, b.dtype);
      return run([cast(a, dtype), cast(b, dtype)], both);
    },
  });
}

/** Defines a function of two operands, at least one of them a tensor. */
export function binary(name: string, row: Row): Binary {
  const run = binaryWith(name, row);
  return (a: Operand, b: Operand): Tensor => run(a, b);
}

/** The operands of a recorded call of two, as its gradient reads them: tensors where the tape saved them. */
export class Operands {
  readonly #ctx: GradContext;
  readonly #side: 'none' | 'left' | 'right';

  constructor(ctx: GradContext) {
    this.#ctx = ctx;
    this.#side = ctx.attrs.side as 'none' | 'left' | 'right';
  }

  get a(): Operand {
    return this.#side === 'left' ? (this.#ctx.attrs.scalar as number) : this.#ctx.input(0);
  }

  get b(): Operand {
    return this.#side === 'right' ? (this.#ctx.attrs.scalar as number) : this.#ctx.input(this.#side === 'left' ? 0 : 1);
  }
}

type Partial2 = (dout: Tensor, at: Operands) => Tensor;

/** The gradient of a function of two operands from its partial gradients for a and for b. */
export function partials(da: Partial2, db: Partial2): GradRule {
  return (ctx, dout): Grads => {
    const at = new Operands(ctx);
    if (ctx.attrs.side === 'right') return [da(dout, at)];
    if (ctx.attrs.side === 'left') return [db(dout, at)];
    return [ctx.needs(0) ? da(dout, at) : null, ctx.needs(1) ? db(dout, at) : null];
  };
}

/** Defines a function of three operands; the first is a tensor: of the dtype of the others, or with `select` a bool. */
export function ternary(
  name: string,
  row: Row,
  select = false,
): (a: Tensor, b: Operand, c: Operand, attrs?: Attrs) => Tensor {
  return defineOp(name, {
    ...row,
    onnx: onnxRule(row.onnx, 3),
    call: (run) => (a: Tensor, b: Operand, c: Operand, attrs?: Attrs) => {
      checkOperand(name, b);
      checkOperand(name, c);
      const [scalar_b, scalar_c] = [b, c].map((operand) => (typeof operand === 'number' ? operand : 0)) as [
        number,
        number,
      ];
      let tensors = [a, b, c].map((operand) => (operand instanceof Tensor ? operand : null));
      const computed = tensors.slice(select ? 1 : 0).filter((tensor) => tensor !== null);
      const dtype = computed.map((tensor) => tensor.dtype).reduce(promote);
      if (computed.some((tensor) => tensor.dtype !== dtype))
        tensors = tensors.map((tensor, i) => (tensor && !(select && i === 0) ? cast(tensor, dtype) : tensor));
      return run(tensors, { ...attrs, scalar_b, scalar_c });
    },
  });
}

/** The second and third operand of a recorded call of three. */
export function lastTwo(ctx: GradContext): [Operand, Operand] {
  return [
    ctx.has(1) ? ctx.input(1) : (ctx.attrs.scalar_b as number),
    ctx.has(2) ? ctx.input(2) : (ctx.attrs.scalar_c as number),
  ];
}

/** The dtype and device of a tensor, as options of those that are made beside it. */
export const like = ({ dtype, device }: Tensor): { dtype: DType; device: Device } => ({ dtype, device });

/** The operand as a tensor: a number becomes one of no dimensions. */
export const tensorOf = (operand: Operand, beside: Tensor): Tensor =>
  operand instanceof Tensor ? operand : full([], operand, like(beside));

/** Makes functions of a tensor methods of Tensor, under the same names. */
export function attach(functions: Readonly<Record<string, (x: Tensor, ...rest: never[]) => Tensor>>): void {
  for (const [name, fn] of Object.entries(functions)) {
    const call = fn as (x: Tensor, ...rest: unknown[]) => Tensor;
    Object.defineProperty(Tensor.prototype, name, {
      configurable: true,
      writable: true,
      value(this: Tensor, ...rest: unknown[]): Tensor {
        return call(this, ...rest);
      },
    });
  }
}
