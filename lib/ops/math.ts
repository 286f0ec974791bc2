// Functions of analysis, element by element: one row per function of native/ops/elementwise/functors_math.h. They are
// defined for floats; integers throw ERR_DTYPE, for they never become floats by themselves.
import type { Grads, OnnxRule } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import type { OfOperands } from '../typed_shapes.ts';
import { add, div, mul, neg, square, sub } from './elementwise.ts';
import { attach, binary, type Operand, type Operands, partials, unary } from './operand.ts';

/** A function whose gradient is read off its input x. */
const byInput = (name: string, grad: (dout: Tensor, x: Tensor) => Tensor, onnx: OnnxRule | string) =>
  unary(name, { saves: { inputs: [0] }, grad: (ctx, dout): Grads => [grad(dout, ctx.input(0))], onnx });

/** A function whose gradient is read off its output y. */
const byOutput = (name: string, grad: (dout: Tensor, y: Tensor) => Tensor, onnx: OnnxRule | string) =>
  unary(name, { saves: { outputs: [0] }, grad: (ctx, dout): Grads => [grad(dout, ctx.output(0))], onnx });

/** A logarithm to another base, as the natural one times `factor`. */
const onnxLog =
  (factor: number): OnnxRule =>
  (graph, { inputs, inputMeta }) =>
    graph.node('Mul', [graph.node('Log', inputs), graph.constant([factor], inputMeta[0]?.dtype, [])]);

const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

// d tanh = 1 - y^2 of tanh's output y.
const tanhInputGrad = binary('tanh_input_grad', {
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const y = ctx.input(1);
    return [tanhInputGrad(dout, y), ctx.needs(1) ? mul(dout, mul(mul(ctx.input(0), y), -2)) : null];
  },
  onnx: 'none',
});

/** e to the power of x. As torch.exp. */
export const exp = byOutput('exp', (dout, y) => mul(dout, y), 'Exp');
/** 2 to the power of x. As torch.exp2. */
export const exp2 = byOutput(
  'exp2',
  (dout, y) => mul(dout, mul(y, Math.LN2)),
  (graph, { inputs, inputMeta }) =>
    graph.node('Pow', [graph.constant([2], inputMeta[0]?.dtype, []), inputs[0] as string]),
);
/** e^x - 1, exact for small x. As torch.expm1. */
export const expm1 = byOutput(
  'expm1',
  (dout, y) => mul(dout, add(y, 1)),
  (graph, { inputs, inputMeta }) =>
    graph.node('Sub', [graph.node('Exp', inputs), graph.constant([1], inputMeta[0]?.dtype, [])]),
);
/** The natural logarithm of x. As torch.log. */
export const log = byInput('log', (dout, x) => div(dout, x), 'Log');
/** The logarithm of x to base 2. As torch.log2. */
export const log2 = byInput('log2', (dout, x) => div(dout, mul(x, Math.LN2)), onnxLog(Math.LOG2E));
/** The logarithm of x to base 10. As torch.log10. */
export const log10 = byInput('log10', (dout, x) => div(dout, mul(x, Math.LN10)), onnxLog(Math.LOG10E));
/** log(1 + x), exact for small x. As torch.log1p. */
export const log1p = byInput(
  'log1p',
  (dout, x) => div(dout, add(x, 1)),
  (graph, { inputs, inputMeta }) =>
    graph.node('Log', [graph.node('Add', [inputs[0] as string, graph.constant([1], inputMeta[0]?.dtype, [])])]),
);
/** The square root of x. As torch.sqrt. */
export const sqrt = byOutput('sqrt', (dout, y) => div(dout, mul(y, 2)), 'Sqrt');
/** 1 / sqrt(x). As torch.rsqrt. */
export const rsqrt = byOutput(
  'rsqrt',
  (dout, y) => mul(dout, mul(mul(square(y), y), -0.5)),
  (graph, { inputs }) => graph.node('Reciprocal', [graph.node('Sqrt', inputs)]),
);
/** The sine of x, in radians. As torch.sin. */
export const sin = byInput('sin', (dout, x) => mul(dout, cos(x)), 'Sin');
/** The cosine of x, in radians. As torch.cos. */
export const cos = byInput('cos', (dout, x) => neg(mul(dout, sin(x))), 'Cos');
/** The tangent of x, in radians. As torch.tan. */
export const tan = byOutput('tan', (dout, y) => mul(dout, add(square(y), 1)), 'Tan');
/** The angle in [-pi/2, pi/2] whose sine is x. As torch.asin. */
export const asin = byInput('asin', (dout, x) => mul(dout, rsqrt(sub(1, square(x)))), 'Asin');
/** The angle in [0, pi] whose cosine is x. As torch.acos. */
export const acos = byInput('acos', (dout, x) => neg(mul(dout, rsqrt(sub(1, square(x))))), 'Acos');
/** The angle in [-pi/2, pi/2] whose tangent is x. As torch.atan. */
export const atan = byInput('atan', (dout, x) => div(dout, add(square(x), 1)), 'Atan');
/** The hyperbolic sine of x. As torch.sinh. */
export const sinh = byInput('sinh', (dout, x) => mul(dout, cosh(x)), 'Sinh');
/** The hyperbolic cosine of x. As torch.cosh. */
export const cosh = byInput('cosh', (dout, x) => mul(dout, sinh(x)), 'Cosh');
/** The hyperbolic tangent of x. As torch.tanh. */
export const tanh = byOutput('tanh', (dout, y) => tanhInputGrad(dout, y), 'Tanh');
/** The inverse of the hyperbolic sine. As torch.asinh. */
export const asinh = byInput('asinh', (dout, x) => mul(dout, rsqrt(add(square(x), 1))), 'Asinh');
/** The inverse of the hyperbolic cosine, for x from 1 on. As torch.acosh. */
export const acosh = byInput(
  'acosh',
  // The 0 makes the product at -1 a positive zero.
  (dout, x) => mul(dout, rsqrt(add(mul(sub(x, 1), add(x, 1)), 0))),
  'Acosh',
);
/** The inverse of the hyperbolic tangent. As torch.atanh. */
export const atanh = byInput('atanh', (dout, x) => div(dout, sub(1, square(x))), 'Atanh');
/** The error function of x. As torch.erf. */
export const erf = byInput('erf', (dout, x) => mul(dout, mul(exp(neg(square(x))), twoOverSqrtPi)), 'Erf');
/** 1 - erf(x), exact for large x. As torch.erfc. */
export const erfc = byInput(
  'erfc',
  (dout, x) => mul(dout, mul(exp(neg(square(x))), -twoOverSqrtPi)),
  (graph, { inputs, inputMeta }) =>
    graph.node('Sub', [graph.constant([1], inputMeta[0]?.dtype, []), graph.node('Erf', inputs)]),
);

// a^2 + b^2, of which one at least is a tensor.
const squares = ({ a, b }: Operands): Tensor => {
  const [first, second] = [a, b].map((x) => (typeof x === 'number' ? x * x : square(x))) as [Operand, Operand];
  return add(first, second);
};

/** The angle of the point (b, a) in [-pi, pi]. As torch.atan2. */
export const atan2 = binary('atan2', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout, at) => mul(dout, div(at.b, squares(at))),
    (dout, at) => neg(mul(dout, div(at.a, squares(at)))),
  ),
  onnx: 'none',
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link exp}. */
    exp(): Tensor<S>;
    /** {@link exp2}. */
    exp2(): Tensor<S>;
    /** {@link expm1}. */
    expm1(): Tensor<S>;
    /** {@link log}. */
    log(): Tensor<S>;
    /** {@link log2}. */
    log2(): Tensor<S>;
    /** {@link log10}. */
    log10(): Tensor<S>;
    /** {@link log1p}. */
    log1p(): Tensor<S>;
    /** {@link sqrt}. */
    sqrt(): Tensor<S>;
    /** {@link rsqrt}. */
    rsqrt(): Tensor<S>;
    /** {@link sin}. */
    sin(): Tensor<S>;
    /** {@link cos}. */
    cos(): Tensor<S>;
    /** {@link tan}. */
    tan(): Tensor<S>;
    /** {@link asin}. */
    asin(): Tensor<S>;
    /** {@link acos}. */
    acos(): Tensor<S>;
    /** {@link atan}. */
    atan(): Tensor<S>;
    /** {@link sinh}. */
    sinh(): Tensor<S>;
    /** {@link cosh}. */
    cosh(): Tensor<S>;
    /** {@link tanh}. */
    tanh(): Tensor<S>;
    /** {@link asinh}. */
    asinh(): Tensor<S>;
    /** {@link acosh}. */
    acosh(): Tensor<S>;
    /** {@link atanh}. */
    atanh(): Tensor<S>;
    /** {@link erf}. */
    erf(): Tensor<S>;
    /** {@link erfc}. */
    erfc(): Tensor<S>;
    /** {@link atan2}. */
    atan2<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
  }
}

attach({
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sqrt,
  rsqrt,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  atan2,
});
