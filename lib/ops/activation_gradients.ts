// Gradients of activations as ops of their own, and what a fused activation passes on.
import type { Attrs } from '../graph.ts';
import type { Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { binaryWith } from './operand.ts';

/** The gradient of an activation as an op of its own: `second` is its slope's slope at the input. */
export function inputGrad(name: string, second: ((x: Tensor, attrs: Attrs) => Tensor) | null) {
  const apply: (dout: Tensor, x: Tensor, attrs?: Attrs) => Tensor = binaryWith(name, {
    saves: { inputs: second ? [0, 1] : [1] },
    grad: (ctx, dout): Grads => {
      const x = ctx.input(1);
      const wanted = second && ctx.needs(1);
      return [apply(dout, x, ctx.attrs), wanted ? mul(mul(dout, ctx.input(0)), second(x, ctx.attrs)) : null];
    },
    onnx: 'none',
  });
  return apply;
}

export type InputGrad = ReturnType<typeof inputGrad>;

// The gradient passes where relu's output is positive; it depends on that output only by its sign.
export const reluInputGrad = inputGrad('relu_input_grad', null);

export const hardtanhInputGrad = inputGrad('hardtanh_input_grad', null);

/** An activation that a product or convolution can apply to its result before it is written. */
export type FusedActivation = 'relu' | 'relu6';

/** The gradient before a fused activation, from the one behind it and its output. */
export function beforeActivation(activation: 'none' | FusedActivation, dout: Tensor, output: () => Tensor): Tensor {
  if (activation === 'none') return dout;
  if (activation === 'relu') return reluInputGrad(dout, output());
  // Within the bounds the output is the input, and at them the gradient is 0.
  return hardtanhInputGrad(dout, output(), { min_val: 0, max_val: 6 });
}
