// Functions of analysis, element by element: one row per function of native/ops/elementwise/functors_math.h. They are
// defined for floats; integers throw ERR_DTYPE, for they never become floats by themselves.
import type { Grads } from '../op.ts';
import { div, mul, neg, square } from './elementwise.ts';
import { attach, binary, unary } from './operand.ts';

/** e to the power of x. As torch.exp. */
export const exp = unary('exp', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [mul(dout, ctx.output(0))],
  onnx: 'Exp',
});

/** The natural logarithm of x. As torch.log. */
export const log = unary('log', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [div(dout, ctx.input(0))],
  onnx: 'Log',
});

/** The square root of x. As torch.sqrt. */
export const sqrt = unary('sqrt', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [div(dout, mul(ctx.output(0), 2))],
  onnx: 'Sqrt',
});

/** 1 / sqrt(x). As torch.rsqrt. */
export const rsqrt = unary('rsqrt', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => {
    const y = ctx.output(0);
    return [mul(dout, mul(mul(square(y), y), -0.5))];
  },
  onnx: (graph, { inputs }) => graph.node('Reciprocal', [graph.node('Sqrt', inputs)]),
});

/** 1 / x. As torch.reciprocal. */
export const reciprocal = unary('reciprocal', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [neg(mul(dout, square(ctx.output(0))))],
  onnx: 'Reciprocal',
});

// d tanh = 1 - y^2 of tanh's output y.
const tanhInputGrad = binary('tanh_input_grad', {
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const y = ctx.input(1);
    return [tanhInputGrad(dout, y), ctx.needs(1) ? mul(dout, mul(mul(ctx.input(0), y), -2)) : null];
  },
  onnx: 'none',
});

/** The hyperbolic tangent of x. As torch.tanh. */
export const tanh = unary('tanh', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [tanhInputGrad(dout, ctx.output(0))],
  onnx: 'Tanh',
});

declare module '../tensor.ts' {
  interface Tensor {
    /** {@link exp}. */
    exp(): Tensor;
    /** {@link log}. */
    log(): Tensor;
    /** {@link sqrt}. */
    sqrt(): Tensor;
    /** {@link rsqrt}. */
    rsqrt(): Tensor;
    /** {@link reciprocal}. */
    reciprocal(): Tensor;
    /** {@link tanh}. */
    tanh(): Tensor;
  }
}

attach({ exp, log, sqrt, rsqrt, reciprocal, tanh });
