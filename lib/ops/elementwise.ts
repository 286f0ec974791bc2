// Arithmetic, element by element: one row per function of native/ops/elementwise/functors_arithmetic.h. Tensors broadcast
// and meet by `promote`; a number takes the dtype of the tensor beside it, and throws ERR_ARGUMENT where that dtype cannot
// hold it. Integers wrap around.
import { isFloat, promote } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import type { OfOperands } from '../typed_shapes.ts';
import { withOptional } from './arguments.ts';
import { cast } from './cast.ts';
import { eq, ge, gt, isnan, le, logicalAnd, logicalOr, lt, where } from './comparisons.ts';
import { full } from './full.ts';
import { log } from './math.ts';
import {
  attach,
  binary,
  binaryWith,
  lastTwo,
  like,
  onnxOperands,
  type Operand,
  partials,
  tensorOf,
  ternary,
  unary,
  unaryWith,
} from './operand.ts';

/** a + b. As torch.add. */
export const add = binary('add', {
  grad: partials(
    (dout) => dout,
    (dout) => dout,
  ),
  onnx: 'Add',
});

/** a - b. As torch.sub. */
export const sub = binary('sub', {
  grad: partials(
    (dout) => dout,
    (dout) => neg(dout),
  ),
  onnx: 'Sub',
});

/** a * b. As torch.mul. */
export const mul = binary('mul', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout, at) => mul(dout, at.b),
    (dout, at) => mul(dout, at.a),
  ),
  onnx: 'Mul',
});

/** a / b of floats; integers throw ERR_DTYPE, they have floorDivide or a cast. As torch.div of floats. */
export const div = binary('div', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout, at) => div(dout, at.b),
    (dout, at) => neg(mul(dout, div(div(at.a, at.b), at.b))),
  ),
  onnx: 'Div',
});

const power = binary('pow', {
  saves: { inputs: 'all', outputs: [0] },
  grad: (ctx, dout): Grads => {
    const y = ctx.output(0);
    return partials(
      (dy, { a, b }) => {
        if (typeof b === 'number') return b === 0 ? full(y.shape, 0, like(y)) : mul(dy, mul(pow(a, b - 1), b));
        return where(eq(b, 0), 0, mul(dy, mul(b, pow(a, sub(b, 1)))));
      },
      (dy, { a, b }) => {
        const base = typeof a === 'number' ? full([], a, like(y)) : a;
        const slope = mul(dy, mul(y, log(base)));
        return where(eq(base, 0), where(ge(b, 0), 0, slope), slope);
      },
    )(ctx, dout);
  },
  onnx: 'Pow',
});

/**
 * a to the power of b, with IEEE's special values. Integers: a negative number as exponent throws ERR_ARGUMENT; a negative
 * element gives 0, except of the bases 1 and -1. As torch.pow, whose number 0.5 takes the square root (NaN of -inf, here inf).
 */
export function pow(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number' && b < 0 && a instanceof Tensor && !isFloat(a.dtype))
    throw new TilegradError('ERR_ARGUMENT', `pow: an integer (${a.dtype}) has no power of ${b}; cast it to a float`);
  return b === 2 && a instanceof Tensor ? square(a) : power(a, b);
}

// The gradient of maximum for the operand that stands first behind dout; ties share it.
const maximumInputGrad = ternary('maximum_input_grad', {
  saves: { inputs: [1, 2] },
  grad: (ctx, dout): Grads => {
    const [own, other] = lastTwo(ctx);
    return [maximumInputGrad(dout, own, other), null, null];
  },
  onnx: 'none',
});

/** The larger of a and b; NaN if either is. As torch.maximum. */
export const maximum = binary('maximum', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout, { a, b }) => maximumInputGrad(dout, a, b),
    (dout, { a, b }) => maximumInputGrad(dout, b, a),
  ),
  onnx: 'Max',
});

/** The smaller of a and b; NaN if either is. As torch.minimum. */
export const minimum = binary('minimum', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout, { a, b }) => maximumInputGrad(dout, b, a),
    (dout, { a, b }) => maximumInputGrad(dout, a, b),
  ),
  onnx: 'Min',
});

const bounds = ({ min, max }: Attrs): Attrs => ({ min: min as number, max: max as number });

// Passes where x lies within the bounds, ends included.
const clampInputGrad = binaryWith('clamp_input_grad', {
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => [clampInputGrad(dout, ctx.input(1), bounds(ctx.attrs)), null],
  onnx: 'none',
});

const clampNumbers = unaryWith('clamp', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [clampInputGrad(dout, ctx.input(0), bounds(ctx.attrs))],
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const bound = (value: number) => (Number.isFinite(value) ? graph.constant([value], inputMeta[0]?.dtype, []) : '');
    return graph.node('Clip', [inputs[0] as string, bound(attrs.min as number), bound(attrs.max as number)]);
  },
});

// Elements within the bounds, ends included, take the gradient, else the bound that replaced them: of crossed ones max.
const clampTensors = defineOp('clamp_tensors', {
  call: (run) => (x: Tensor, min: Tensor | null, max: Tensor | null) => run(withOptional([x], [min, max])),
  compute: ([x, min, max]) => {
    const above = min ? maximum(x as Tensor, min) : (x as Tensor);
    return max ? minimum(above, max) : above;
  },
  saves: { inputs: 'all' },
  grad: (ctx, dout): Grads => {
    const x = ctx.input(0);
    const [min, max] = [1, 2].map((i) => (ctx.has(i) ? ctx.input(i) : null)) as [Tensor | null, Tensor | null];
    const both = (a: Tensor | null, b: Tensor | null): Tensor => (a && b ? logicalAnd(a, b) : (a ?? b)) as Tensor;
    const above = max && (min ? logicalOr(gt(x, max), lt(max, min)) : gt(x, max));
    const grads = [
      where(both(min && ge(x, min), max && le(x, max)), dout, 0),
      min && ctx.needs(1) ? where(both(lt(x, min), max && lt(min, max)), dout, 0) : null,
      above && ctx.needs(2) ? where(above, dout, 0) : null,
    ];
    return grads.slice(0, ctx.inputCount);
  },
  onnx: (graph, { inputs: [x, min, max] }) => {
    const above = min ? graph.node('Max', [x as string, min]) : (x as string);
    return max ? graph.node('Min', [above, max]) : above;
  },
});

/**
 * The elements, at least `min` and at most `max`: numbers, or tensors that broadcast; null for no bound. NaN stays, and
 * `max` wins where the bounds cross. As torch.clamp.
 */
export function clamp(x: Tensor, min: Operand | null = null, max: Operand | null = null): Tensor {
  if (min instanceof Tensor || max instanceof Tensor) {
    const bound = (value: Operand | null): Tensor | null => (value === null ? null : tensorOf(value, x));
    const given = [x, bound(min), bound(max)];
    const dtype = given.flatMap((operand) => operand?.dtype ?? []).reduce(promote);
    const [first, least, most] = given.map((operand) => operand && cast(operand, dtype)) as [Tensor, ...typeof given];
    return clampTensors(first, least ?? null, most ?? null);
  }
  return clampNumbers(x, { min: min ?? -Infinity, max: max ?? Infinity });
}

/** -x. As torch.neg. */
export const neg = unary('neg', { grad: (_, dout): Grads => [neg(dout)], onnx: 'Neg' });

/** |x|. As torch.abs. */
export const abs = unary('abs', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [mul(dout, sign(ctx.input(0)))],
  onnx: 'Abs',
});

/** x * x. As torch.square. */
export const square = unary('square', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [mul(dout, mul(ctx.input(0), 2))],
  onnx: (graph, { inputs }) => graph.node('Mul', [inputs[0] as string, inputs[0] as string]),
});

/** 1 / x. As torch.reciprocal. */
export const reciprocal = unary('reciprocal', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [neg(mul(dout, square(ctx.output(0))))],
  onnx: 'Reciprocal',
});

/** -1, 0 or 1 with the sign of x; 0 for NaN. As torch.sign. */
export const sign = unary('sign', { grad: (_, dout): Grads => [full(dout.shape, 0, like(dout))], onnx: 'Sign' });

// Of two numbers the one that is chosen gets the whole gradient, at a tie a.
const chosen = (first: typeof ge) =>
  partials(
    (dout, { a, b }) => where(logicalOr(first(a, b), isnan(tensorOf(b, dout))), dout, 0),
    (dout, { a, b }) => where(logicalOr(first(a, b), isnan(tensorOf(b, dout))), 0, dout),
  );
/** The larger of a and b; NaN only if both are. As torch.fmax. */
export const fmax = binary('fmax', { saves: { inputs: 'all' }, grad: chosen(ge), onnx: 'none' });
/** The smaller of a and b; NaN only if both are. As torch.fmin. */
export const fmin = binary('fmin', { saves: { inputs: 'all' }, grad: chosen(le), onnx: 'none' });

/** Options of `addcmul` and `addcdiv`. */
export interface AddProductOptions {
  /** The factor of the product or quotient. Default: 1. */
  value?: number | undefined;
}

const fusedProduct = ternary('addcmul', {
  saves: { inputs: [1, 2] },
  grad: (ctx, dout): Grads => {
    const [b, c] = lastTwo(ctx);
    const scaled = mul(dout, ctx.attrs.value as number);
    return [dout, ctx.needs(1) ? mul(scaled, c) : null, ctx.needs(2) ? mul(scaled, b) : null];
  },
  onnx: (graph, call) => {
    const [a, b, c] = onnxOperands(graph, call, 3) as [string, string, string];
    const value = graph.constant([call.attrs.value as number], call.inputMeta[0]?.dtype, []);
    return graph.node('Add', [a, graph.node('Mul', [graph.node('Mul', [b, value]), c])]);
  },
});

/** x + value * b * c in one pass. As torch.addcmul. */
export function addcmul(x: Tensor, b: Operand, c: Operand, options: AddProductOptions = {}): Tensor {
  checkOptions('addcmul', options, ['value']);
  return fusedProduct(x, b, c, { value: options.value ?? 1 });
}

const fusedQuotient = ternary('addcdiv', {
  saves: { inputs: [1, 2] },
  grad: (ctx, dout): Grads => {
    const [b, c] = lastTwo(ctx);
    const scaled = div(mul(dout, ctx.attrs.value as number), c);
    return [dout, ctx.needs(1) ? scaled : null, ctx.needs(2) ? neg(mul(scaled, div(b, c))) : null];
  },
  onnx: (graph, call) => {
    const [a, b, c] = onnxOperands(graph, call, 3) as [string, string, string];
    const value = graph.constant([call.attrs.value as number], call.inputMeta[0]?.dtype, []);
    return graph.node('Add', [a, graph.node('Div', [graph.node('Mul', [b, value]), c])]);
  },
});

/** x + value * b / c of floats in one pass. As torch.addcdiv. */
export function addcdiv(x: Tensor, b: Operand, c: Operand, options: AddProductOptions = {}): Tensor {
  checkOptions('addcdiv', options, ['value']);
  return fusedQuotient(x, b, c, { value: options.value ?? 1 });
}

/** start + weight * (end - start) of floats, exact at both ends. As torch.lerp. */
export const lerp: (start: Tensor, end: Operand, weight: Operand) => Tensor = ternary('lerp', {
  saves: { inputs: 'all' },
  grad: (ctx, dout): Grads => {
    const [end, weight] = lastTwo(ctx);
    return [
      ctx.needs(0) ? mul(dout, sub(1, tensorOf(weight, dout))) : null,
      ctx.needs(1) ? mul(dout, weight) : null,
      ctx.needs(2) ? mul(dout, sub(end, ctx.input(0))) : null,
    ];
  },
  onnx: (graph, call) => {
    const [start, end, weight] = onnxOperands(graph, call, 3) as [string, string, string];
    return graph.node('Add', [start, graph.node('Mul', [weight, graph.node('Sub', [end, start])])]);
  },
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link add}. */
    add<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link sub}. */
    sub<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link mul}. */
    mul<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link div}. */
    div<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link pow}. */
    pow<B extends Operand>(exponent: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link maximum}. */
    maximum<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link minimum}. */
    minimum<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link fmax}. */
    fmax<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link fmin}. */
    fmin<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link clamp}. */
    clamp(min?: Operand | null, max?: Operand | null): Tensor;
    /** {@link addcmul}. */
    addcmul(b: Operand, c: Operand, options?: AddProductOptions): Tensor;
    /** {@link addcdiv}. */
    addcdiv(b: Operand, c: Operand, options?: AddProductOptions): Tensor;
    /** {@link lerp}. */
    lerp(end: Operand, weight: Operand): Tensor;
    /** {@link neg}. */
    neg(): Tensor<S>;
    /** {@link abs}. */
    abs(): Tensor<S>;
    /** {@link sign}. */
    sign(): Tensor<S>;
    /** {@link square}. */
    square(): Tensor<S>;
    /** {@link reciprocal}. */
    reciprocal(): Tensor<S>;
  }
}

attach({ add, sub, mul, div, pow, maximum, minimum, fmax, fmin, clamp, addcmul, addcdiv, lerp });
attach({ neg, abs, sign, square, reciprocal });
