// Softmax and its logarithm over one dimension.
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim } from './arguments.ts';
import { add, mul } from './elementwise.ts';
import { sum } from './reduce.ts';

const onnxAxis = (attrs: Readonly<Record<string, unknown>>, rank: number): { axis: number } => ({
  axis: resolveDim('onnx', attrs.dim as number, rank),
});

/**
 * exp(x) over its sum along `dim` (default the last), in the shape and dtype of `x`, a float tensor; f16 and bf16 are
 * computed in f32. A slice of -inf alone becomes NaN. Throws ERR_DTYPE, ERR_ARGUMENT for a `dim` out of range.
 * As torch.softmax.
 */
export const softmax = defineOp('softmax', {
  call:
    (run) =>
    <S extends Shape>(x: Tensor<S>, dim = -1): Tensor<S> =>
      run([x], { dim }),
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [softmaxInputGrad(dout, ctx.output(0), ctx.attrs.dim as number)],
  onnx: (graph, { inputs, attrs, outputMeta }) =>
    graph.node('Softmax', inputs, onnxAxis(attrs, outputMeta[0]?.shape.length ?? 1)),
});

/**
 * The logarithm of {@link softmax}, computed without its rounding: x - logsumexp(x) along `dim` (default the last).
 * Throws as softmax. As torch.log_softmax.
 */
export const logSoftmax = defineOp('log_softmax', {
  call:
    (run) =>
    <S extends Shape>(x: Tensor<S>, dim = -1): Tensor<S> =>
      run([x], { dim }),
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [logSoftmaxInputGrad(dout, ctx.output(0), ctx.attrs.dim as number)],
  onnx: (graph, { inputs, attrs, outputMeta }) =>
    graph.node('LogSoftmax', inputs, onnxAxis(attrs, outputMeta[0]?.shape.length ?? 1)),
});

// y (dout - <dout, y>). It is symmetric in dout and its own output's gradient v.
const softmaxInputGrad = defineOp('softmax_input_grad', {
  call:
    (run) =>
    (dout: Tensor, y: Tensor, dim: number): Tensor =>
      run([dout, y], { dim }),
  saves: { inputs: 'all' },
  grad: (ctx, v): Grads => {
    const dim = ctx.attrs.dim as number;
    const [dout, y] = [ctx.input(0), ctx.input(1)];
    if (!ctx.needs(1)) return [softmaxInputGrad(v, y, dim), null];
    const along = (a: Tensor, b: Tensor): Tensor => mul(sum(mul(a, b), dim, true), -1);
    const dy = add(mul(v, add(dout, along(dout, y))), mul(dout, along(v, y)));
    return [ctx.needs(0) ? softmaxInputGrad(v, y, dim) : null, dy];
  },
  onnx: 'none',
});

// dout - exp(y) sum(dout). exp(y) is written softmax(y): y is a log_softmax, so both are equal, their derivatives too in
// every direction that y can move.
const logSoftmaxInputGrad = defineOp('log_softmax_input_grad', {
  call:
    (run) =>
    (dout: Tensor, y: Tensor, dim: number): Tensor =>
      run([dout, y], { dim }),
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
