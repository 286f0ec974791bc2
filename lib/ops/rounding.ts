// Whole parts and what is left of them, element by element.
import { isFloat } from '../dtype.ts';
import type { Grads, OnnxRule } from '../op.ts';
import type { OfOperands } from '../typed_shapes.ts';
import { div, mul, neg } from './elementwise.ts';
import { full } from './full.ts';
import { attach, binary, like, type Operand, onnxOperands, partials, unary } from './operand.ts';

/** A function that is constant between its steps: its gradient is 0. */
const stepped = (name: string, onnx: OnnxRule | string) =>
  unary(name, { grad: (_, dout): Grads => [full(dout.shape, 0, like(dout))], onnx });

/** The largest whole number that is not above x. As torch.floor. */
export const floor = stepped('floor', 'Floor');
/** The smallest whole number that is not below x. As torch.ceil. */
export const ceil = stepped('ceil', 'Ceil');
/** The nearest whole number, halves to even. As torch.round. */
export const round = stepped('round', 'Round');
/** x without its fraction. As torch.trunc. */
export const trunc = stepped('trunc', (graph, { inputs }) =>
  graph.node('Mul', [graph.node('Sign', inputs), graph.node('Floor', [graph.node('Abs', inputs)])]),
);

/** The fraction of x, with its sign. As torch.frac. */
export const frac = unary('frac', {
  grad: (_, dout): Grads => [dout],
  onnx: (graph, { inputs, inputMeta }) =>
    graph.node('Mod', [inputs[0] as string, graph.constant([1], inputMeta[0]?.dtype, [])], { fmod: 1 }),
});

/** The whole part below a / b; integers divided by zero give 0. As torch.floor_divide. */
export const floorDivide = binary('floor_divide', {
  grad: (ctx, dout): Grads => Array.from({ length: ctx.inputCount }, () => full(dout.shape, 0, like(dout))),
  onnx: (graph, call) => {
    const [a, b] = onnxOperands(graph, call, 2) as [string, string];
    if (isFloat(call.outputMeta[0]?.dtype ?? 'f32')) return graph.node('Floor', [graph.node('Div', [a, b])]);
    // Div of integers truncates, so what is left over below goes first.
    return graph.node('Div', [graph.node('Sub', [a, graph.node('Mod', [a, b])]), b]);
  },
});

const onnxMod =
  (fmod: 0 | 1): OnnxRule =>
  (graph, call) =>
    graph.node('Mod', onnxOperands(graph, call, 2), { fmod });

/** a - b * floorDivide(a, b): has the sign of b; integers divided by zero give 0. As torch.remainder. */
export const remainder = binary('remainder', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout) => dout,
    (dout, { a, b }) => neg(mul(dout, floorDivide(a, b))),
  ),
  onnx: (graph, call) => {
    const [a, b] = onnxOperands(graph, call, 2) as [string, string];
    if (!isFloat(call.outputMeta[0]?.dtype ?? 'f32')) return graph.node('Mod', [a, b]);
    return graph.node('Sub', [a, graph.node('Mul', [b, graph.node('Floor', [graph.node('Div', [a, b])])])]);
  },
});

/** a - b * trunc(a / b): has the sign of a; integers divided by zero give 0. As torch.fmod. */
export const fmod = binary('fmod', {
  saves: { inputs: 'all' },
  grad: partials(
    (dout) => dout,
    (dout, { a, b }) => neg(mul(dout, trunc(div(a, b)))),
  ),
  onnx: onnxMod(1),
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link floorDivide}. */
    floorDivide<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link remainder}. */
    remainder<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link fmod}. */
    fmod<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link floor}. */
    floor(): Tensor<S>;
    /** {@link ceil}. */
    ceil(): Tensor<S>;
    /** {@link round}. */
    round(): Tensor<S>;
    /** {@link trunc}. */
    trunc(): Tensor<S>;
    /** {@link frac}. */
    frac(): Tensor<S>;
  }
}

attach({ floorDivide, remainder, fmod, floor, ceil, round, trunc, frac });
