// Activation functions, element by element: one row per function of native/ops/elementwise/functors_activations.h.
import type { Grads } from '../op.ts';
import { mul, sub } from './elementwise.ts';
import { attach, binary, unary } from './operand.ts';

// The gradient passes where relu's output is positive; it depends on that output only by its sign.
const reluInputGrad = binary('relu_input_grad', {
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => [reluInputGrad(dout, ctx.input(1)), null],
  onnx: 'none',
});

/** max(x, 0); NaN stays NaN. As torch.relu. */
export const relu = unary('relu', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [reluInputGrad(dout, ctx.output(0))],
  onnx: 'Relu',
});

// d sigmoid = y (1 - y) of sigmoid's output y.
const sigmoidInputGrad = binary('sigmoid_input_grad', {
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const y = ctx.input(1);
    return [sigmoidInputGrad(dout, y), ctx.needs(1) ? mul(dout, mul(ctx.input(0), sub(1, mul(y, 2)))) : null];
  },
  onnx: 'none',
});

/** 1 / (1 + e^-x). As torch.sigmoid. */
export const sigmoid = unary('sigmoid', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [sigmoidInputGrad(dout, ctx.output(0))],
  onnx: 'Sigmoid',
});

declare module '../tensor.ts' {
  interface Tensor {
    /** {@link relu}. */
    relu(): Tensor;
    /** {@link sigmoid}. */
    sigmoid(): Tensor;
  }
}

attach({ relu, sigmoid });
