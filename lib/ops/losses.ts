// Elementwise losses of predictions a and targets b, each a kernel forwards and one backwards; functors_losses.h.
// nn.functional checks the shapes and reduces.
import type { Attrs } from '../graph.ts';
import type { GradContext, Grads, OnnxCall, OnnxGraph } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { lt } from './comparisons.ts';
import { abs, mul, neg, sub } from './elementwise.ts';
import { full } from './full.ts';
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
