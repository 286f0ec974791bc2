// Softmax and its logarithm over one dimension.
import { defineOp, type Grads, type OnnxRule, type Run } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim } from './arguments.ts';
import { add, mul } from './elementwise.ts';
import { sum } from './reduce.ts';

const along =
  (run: Run) =>
  <S extends Shape>(x: Tensor<S>, dim = -1): Tensor<S> =>
    run([x], { dim });

const gradAlong =
  (run: Run) =>
  (dout: Tensor, y: Tensor, dim: number): Tensor =>
    run([dout, y], { dim });

const onnxAlong =
  (type: string): OnnxRule =>
  (graph, { inputs, attrs, outputMeta }) =>
    graph.node(type, inputs, { axis: resolveDim('onnx', attrs.dim as number, outputMeta[0]?.shape.length ?? 1) });

/**
 * exp(x) over its sum along `dim` (default the last), in the shape and dtype of `x`, a float tensor; f16 and bf16 are
 * computed in f32. A slice of -inf alone becomes NaN. Throws ERR_DTYPE, ERR_ARGUMENT for a `dim` out of range.
 * As torch.softmax.
 */
export const softmax = defineOp('softmax', {
  call: along,
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [softmaxInputGrad(dout, ctx.output(0), ctx.attrs.dim as number)],
  onnx: onnxAlong('Softmax'),
});

/**
 * The logarithm of {@link softmax}, computed without its rounding: x - logsumexp(x) along `dim` (default the last).
 * Throws as softmax. As torch.log_softmax.
 */
export const logSoftmax = defineOp('log_softmax', {
  call: along,
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [logSoftmaxInputGrad(dout, ctx.output(0), ctx.attrs.dim as number)],
  onnx: onnxAlong('LogSoftmax'),
});

// y (dout - <dout, y>). It is symmetric in dout and its own output's gradient v.
const softmaxInputGrad = defineOp('softmax_input_grad', {
  call: gradAlong,
  saves: { inputs: 'all' },
  grad: (ctx, v): Grads => {
    const dim = ctx.attrs.dim as number;
    const [dout, y] = [ctx.input(0), ctx.input(1)];
    if (!ctx.needs(1)) return [softmaxInputGrad(v, y, dim), null];
    const less = (a: Tensor, b: Tensor): Tensor => mul(sum(mul(a, b), dim, true), -1);
    const dy = add(mul(v, add(dout, less(dout, y))), mul(dout, less(v, y)));
    return [ctx.needs(0) ? softmaxInputGrad(v, y, dim) : null, dy];
  },
  onnx: 'none',
});

// dout - exp(y) sum(dout). exp(y) is written softmax(y): y is a log_softmax, so both are equal, their derivatives too in
// every direction that y can move.
const logSoftmaxInputGrad = defineOp('log_softmax_input_grad', {
  call: gradAlong,
  saves: { inputs: 'all' },
  grad: (ctx, v): Grads => {
    const dim = ctx.attrs.dim as number;
    const p = softmax(ctx.input(1), dim);
    const dDout = ctx.needs(0) ? add(v, mul(sum(mul(v, p), dim, true), -1)) : null;
    return [dDout, ctx.needs(1) ? mul(mul(v, p), mul(sum(ctx.input(0), dim, true), -1)) : null];
  },
  onnx: 'none',
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link softmax}. */
    softmax(dim?: number): Tensor<S>;
    /** {@link logSoftmax}. */
    logSoftmax(dim?: number): Tensor<S>;
  }
}
Tensor.prototype.softmax = function (dim) {
  return softmax(this, dim);
};
Tensor.prototype.logSoftmax = function (dim) {
  return logSoftmax(this, dim);
};
