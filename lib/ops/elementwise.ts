// Elementwise functions: one row each, in the order of native/ops/elementwise/functors.h.
import type { GradRule, OnnxRule } from '../op.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';

export type Operand = Tensor | number;

interface Row {
  saves?: { inputs?: readonly number[] | 'all'; outputs?: readonly number[] };
  grad: GradRule | 'none';
  onnx: OnnxRule | string;
}

function unary(name: string, row: Row): (x: Tensor) => Tensor {
  return defineOp(name, { call: (run) => (x: Tensor) => run([x]), ...row });
}

function binary(name: string, row: Row): (a: Operand, b: Operand) => Tensor {
  return defineOp(name, {
    call: (run) => (a: Operand, b: Operand) => {
      if (typeof b === 'number') return run([a as Tensor], { scalar: b, side: 'right' });
      if (typeof a === 'number') return run([b], { scalar: a, side: 'left' });
      return run([a, b], { scalar: 0, side: 'none' });
    },
    ...row,
  });
}

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

/** a + b. As torch.add. */
export const add = binary('add', {
  grad: (ctx, dout): Grads => (ctx.inputCount === 1 ? [dout] : [dout, dout]),
  onnx: 'Add',
});

/** a * b. As torch.mul. */
export const mul = binary('mul', {
  saves: { inputs: 'all' },
  grad: (ctx, dout): Grads =>
    ctx.inputCount === 1
      ? [mul(dout, ctx.attrs.scalar as number)]
      : [ctx.needs(0) ? mul(dout, ctx.input(1)) : null, ctx.needs(1) ? mul(dout, ctx.input(0)) : null],
  onnx: 'Mul',
});

declare module '../tensor.ts' {
  interface Tensor {
    relu(): Tensor;
    add(other: Operand): Tensor;
    mul(other: Operand): Tensor;
  }
}
Tensor.prototype.relu = function () {
  return relu(this);
};
Tensor.prototype.add = function (other) {
  return add(this, other);
};
Tensor.prototype.mul = function (other) {
  return mul(this, other);
};
