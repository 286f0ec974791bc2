// Elementwise losses of predictions a and targets b, each a kernel forwards and one backwards; functors_losses.h.
// nn.functional checks the shapes and reduces.
import type { Attrs } from '../graph.ts';
import type { GradContext, Grads, OnnxCall, OnnxGraph } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { sigmoid } from './activations.ts';
import { cast } from './cast.ts';
import { ge, lt } from './comparisons.ts';
import { abs, clamp, div, mul, neg, sub } from './elementwise.ts';
import { full } from './full.ts';
import { exp, log, log1p } from './math.ts';
import { binaryWith, like, ternary } from './operand.ts';

type Loss = (a: Tensor, b: Tensor, attrs?: Attrs) => Tensor;

const hubers = ['delta', 'curve', 'slope'] as const;
const paramsOf = (name: string, { attrs }: GradContext): Attrs =>
  name === 'huber_loss' ? (Object.fromEntries(hubers.map((key) => [key, attrs[key]])) as Attrs) : {};

/** A loss of a - b and its gradient for a, whose own slope at a - b is `second`; null where that is 0. */
function lossOp(
  name: 'mse_loss' | 'l1_loss' | 'huber_loss',
  second: ((d: Tensor, attrs: Attrs) => Tensor) | null,
  onnx: (graph: OnnxGraph, difference: string, call: OnnxCall) => string,
): Loss {
  const slope = ternary(`${name}_input_grad`, {
    saves: { inputs: second ? 'all' : [1, 2] },
    grad: (ctx, dout): Grads => {
      const [a, b, attrs] = [ctx.input(1), ctx.input(2), paramsOf(name, ctx)];
      const curved = second && (ctx.needs(1) || ctx.needs(2));
      const da = curved ? mul(mul(dout, ctx.input(0)), second(sub(a, b), attrs)) : null;
      return [
        ctx.needs(0) ? slope(dout, a, b, attrs) : null,
        ctx.needs(1) ? da : null,
        da && ctx.needs(2) ? neg(da) : null,
      ];
    },
    onnx: 'none',
  });
  return binaryWith(name, {
    saves: { inputs: 'all' },
    grad: (ctx, dout): Grads => {
      const da = slope(dout, ctx.input(0), ctx.input(1), paramsOf(name, ctx));
      return [ctx.needs(0) ? da : null, ctx.needs(1) ? neg(da) : null];
    },
    onnx: (graph, call) => onnx(graph, graph.node('Sub', call.inputs as string[]), call),
  });
}

/** (a - b)^2. */
export const squaredError: Loss = lossOp(
  'mse_loss',
  (d) => full([], 2, like(d)),
  (graph, d) => graph.node('Mul', [d, d]),
);

/** |a - b|. */
export const absoluteError: Loss = lossOp('l1_loss', null, (graph, d) => graph.node('Abs', [d]));

/** `curve` d^2 for d = |a - b| below `delta`, from there on `slope` (d - `delta` / 2). */
export const bentError: Loss = lossOp(
  'huber_loss',
  (d, { delta, curve }) => mul(cast(lt(abs(d), delta as number), d.dtype), 2 * (curve as number)),
  (graph, d, { attrs, inputMeta }) => {
    const number = (value: number): string => graph.constant([value], inputMeta[0]?.dtype, []);
    const { delta, curve, slope } = attrs as Record<(typeof hubers)[number], number>;
    const size = graph.node('Abs', [d]);
    const bent = graph.node('Mul', [graph.node('Mul', [size, size]), number(curve)]);
    const straight = graph.node('Mul', [graph.node('Sub', [size, number(delta / 2)]), number(slope)]);
    return graph.node('Where', [graph.node('Less', [size, number(delta)]), bent, straight]);
  },
);

const likelihoodSlope = ternary('bce_loss_input_grad', {
  saves: { inputs: 'all' },
  // dout s with s = (p - t) / q and q = max(p (1 - p), 1e-12).
  grad: (ctx, grad): Grads => {
    const [dout, p, t] = [ctx.input(0), ctx.input(1), ctx.input(2)];
    const spread = mul(p, sub(1, p));
    const each = div(mul(grad, dout), clamp(spread, 1e-12));
    const bend = mul(div(sub(p, t), clamp(spread, 1e-12)), mul(sub(1, mul(p, 2)), cast(ge(spread, 1e-12), p.dtype)));
    return [
      ctx.needs(0) ? likelihoodSlope(grad, p, t) : null,
      ctx.needs(1) ? mul(each, sub(1, bend)) : null,
      ctx.needs(2) ? neg(each) : null,
    ];
  },
  onnx: 'none',
});

/** -(t log p + (1 - t) log(1 - p)) of probabilities p and t, with logarithms from -100 on. */
export const negativeLogLikelihood: Loss = binaryWith('bce_loss', {
  saves: { inputs: 'all' },
  grad: (ctx, dout): Grads => {
    const [p, t] = [ctx.input(0), ctx.input(1)];
    const apart = (): Tensor => sub(clamp(log1p(neg(p)), -100), clamp(log(p), -100));
    return [ctx.needs(0) ? likelihoodSlope(dout, p, t) : null, ctx.needs(1) ? mul(dout, apart()) : null];
  },
  onnx: (graph, { inputs, inputMeta }) => {
    const [p, t] = inputs as [string, string];
    const number = (value: number): string => graph.constant([value], inputMeta[0]?.dtype, []);
    const logOf = (x: string): string => graph.node('Clip', [graph.node('Log', [x]), number(-100)]);
    const absent = graph.node('Mul', [graph.node('Sub', [t, number(1)]), logOf(graph.node('Sub', [number(1), p]))]);
    return graph.node('Sub', [absent, graph.node('Mul', [t, logOf(p)])]);
  },
});

/** A loss F(a) - b a: its slope at a is f(a) - b, `second` the slope of f; `onnx` writes F. */
function linearInTarget(
  name: 'bce_logits_loss' | 'poisson_loss',
  second: (a: Tensor) => Tensor,
  onnx: (graph: OnnxGraph, a: string) => string,
): Loss {
  const slope = ternary(`${name}_input_grad`, {
    saves: { inputs: 'all' },
    grad: (ctx, grad): Grads => {
      const [dout, a, b] = [ctx.input(0), ctx.input(1), ctx.input(2)];
      const each = (): Tensor => mul(grad, dout);
      return [
        ctx.needs(0) ? slope(grad, a, b) : null,
        ctx.needs(1) ? mul(each(), second(a)) : null,
        ctx.needs(2) ? neg(each()) : null,
      ];
    },
    onnx: 'none',
  });
  return binaryWith(name, {
    saves: { inputs: 'all' },
    grad: (ctx, dout): Grads => {
      const [a, b] = [ctx.input(0), ctx.input(1)];
      return [ctx.needs(0) ? slope(dout, a, b) : null, ctx.needs(1) ? neg(mul(dout, a)) : null];
    },
    onnx: (graph, { inputs }) => {
      const [a, b] = inputs as [string, string];
      return graph.node('Sub', [onnx(graph, a), graph.node('Mul', [b, a])]);
    },
  });
}

/** {@link negativeLogLikelihood} of the sigmoid of a, exact on both sides. */
export const logitLoss: Loss = linearInTarget(
  'bce_logits_loss',
  (a) => {
    const share = sigmoid(a);
    return mul(share, sub(1, share));
  },
  (graph, a) => graph.node('Softplus', [a]),
);

/** e^a - b a. */
export const poissonLoss: Loss = linearInTarget('poisson_loss', exp, (graph, a) => graph.node('Exp', [a]));
