// Comparisons, which give bool, and the choice between two values by such a mask: functors_comparisons.h.
import { TilegradError } from '../error.ts';
import type { Grads, OnnxGraph, OnnxRule } from '../op.ts';
import { Tensor } from '../tensor.ts';
import type { OfOperands } from '../typed_shapes.ts';
import { full } from './full.ts';
import { attach, binary, type Operand, onnxOperands, ternary, unary } from './operand.ts';

const comparison = (name: string, onnx: string) => binary(name, { grad: 'none', onnx });

/** a == b, as bool; NaN equals nothing. As torch.eq. */
export const eq = comparison('eq', 'Equal');
/** a != b, as bool. As torch.ne. */
export const ne = binary('ne', {
  grad: 'none',
  onnx: (graph, call) => graph.node('Not', [graph.node('Equal', onnxOperands(graph, call, 2))]),
});
/** a < b, as bool. As torch.lt. */
export const lt = comparison('lt', 'Less');
/** a <= b, as bool. As torch.le. */
export const le = comparison('le', 'LessOrEqual');
/** a > b, as bool. As torch.gt. */
export const gt = comparison('gt', 'Greater');
/** a >= b, as bool. As torch.ge. */
export const ge = comparison('ge', 'GreaterOrEqual');

const onnxIsFinite = (graph: OnnxGraph, x: string): string =>
  graph.node('Not', [graph.node('Or', [graph.node('IsNaN', [x]), graph.node('IsInf', [x])])]);

/** Where x is not a number, as bool. As torch.isnan. */
export const isnan = unary('isnan', { grad: 'none', onnx: 'IsNaN' });
/** Where x is infinite, as bool. As torch.isinf. */
export const isinf = unary('isinf', { grad: 'none', onnx: 'IsInf' });
/** Where x is neither infinite nor NaN, as bool. As torch.isfinite. */
export const isfinite = unary('isfinite', {
  grad: 'none',
  onnx: (graph, { inputs }) => onnxIsFinite(graph, inputs[0] as string),
});

/** The operands of a logical function in ONNX, which takes bools alone. */
const onnxLogical =
  (type: string): OnnxRule =>
  (graph, call) => {
    const count = call.inputs.length === 1 && call.attrs.side === undefined ? 1 : 2;
    const bools = onnxOperands(graph, call, count).map((name) => graph.node('Cast', [name], { to: 9 }));
    return graph.node(type, bools);
  };

/** Where x is 0, as bool. As torch.logical_not. */
export const logicalNot = unary('logical_not', { grad: 'none', onnx: onnxLogical('Not') });
/** Where neither a nor b is 0, as bool. As torch.logical_and. */
export const logicalAnd = binary('logical_and', { grad: 'none', onnx: onnxLogical('And') });
/** Where a or b is not 0, as bool. As torch.logical_or. */
export const logicalOr = binary('logical_or', { grad: 'none', onnx: onnxLogical('Or') });
/** Where one of a and b is 0 and the other is not, as bool. As torch.logical_xor. */
export const logicalXor = binary('logical_xor', { grad: 'none', onnx: onnxLogical('Xor') });

const bitwise = (name: string, onBools: string, onIntegers: string) =>
  binary(name, {
    grad: 'none',
    onnx: (graph, call) => {
      const type = call.outputMeta[0]?.dtype === 'bool' ? onBools : onIntegers;
      return graph.node(type, onnxOperands(graph, call, 2));
    },
  });

/** The bits of integers flipped; of bool: not. As torch.bitwise_not. */
export const bitwiseNot = unary('bitwise_not', {
  grad: 'none',
  onnx: (graph, { inputs, inputMeta }) => graph.node(inputMeta[0]?.dtype === 'bool' ? 'Not' : 'BitwiseNot', inputs),
});
/** The bits that are set in both integers. As torch.bitwise_and. */
export const bitwiseAnd = bitwise('bitwise_and', 'And', 'BitwiseAnd');
/** The bits that are set in one of the integers or both. As torch.bitwise_or. */
export const bitwiseOr = bitwise('bitwise_or', 'Or', 'BitwiseOr');
/** The bits that are set in one of the integers but not both. As torch.bitwise_xor. */
export const bitwiseXor = bitwise('bitwise_xor', 'Xor', 'BitwiseXor');

const choice = ternary(
  'where',
  {
    saves: { inputs: [0] },
    grad: (ctx, dout): Grads => {
      const condition = ctx.input(0);
      return [null, ctx.needs(1) ? where(condition, dout, 0) : null, ctx.needs(2) ? where(condition, 0, dout) : null];
    },
    onnx: 'Where',
  },
  true,
);

/**
 * The elements of `a` where the bool tensor `condition` is true, else those of `b`; all three broadcast. Two numbers make
 * f32. Throws ERR_DTYPE for a condition that is no bool. As torch.where.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  if (!(condition instanceof Tensor) || condition.dtype !== 'bool')
    throw new TilegradError(
      condition instanceof Tensor ? 'ERR_DTYPE' : 'ERR_ARGUMENT',
      `where: the condition must be a bool tensor but is ${condition instanceof Tensor ? condition.dtype : String(condition)}`,
    );
  if (typeof a === 'number' && typeof b === 'number')
    return choice(condition, full([], a, { device: condition.device }), b);
  return choice(condition, a, b);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link eq}. */
    eq<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link ne}. */
    ne<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link lt}. */
    lt<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link le}. */
    le<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link gt}. */
    gt<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link ge}. */
    ge<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link logicalAnd}. */
    logicalAnd<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link logicalOr}. */
    logicalOr<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link logicalXor}. */
    logicalXor<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link bitwiseAnd}. */
    bitwiseAnd<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link bitwiseOr}. */
    bitwiseOr<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link bitwiseXor}. */
    bitwiseXor<B extends Operand>(other: B): Tensor<OfOperands<Tensor<S>, B>>;
    /** {@link isnan}. */
    isnan(): Tensor<S>;
    /** {@link isinf}. */
    isinf(): Tensor<S>;
    /** {@link isfinite}. */
    isfinite(): Tensor<S>;
    /** {@link logicalNot}. */
    logicalNot(): Tensor<S>;
    /** {@link bitwiseNot}. */
    bitwiseNot(): Tensor<S>;
    /** {@link where}: this tensor where `condition` is true, else `other`. As torch.Tensor.where. */
    where(condition: Tensor, other: Operand): Tensor;
  }
}

attach({
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logicalAnd,
  logicalOr,
  logicalXor,
  bitwiseAnd,
  bitwiseOr,
  bitwiseXor,
  isnan,
  isinf,
  isfinite,
  logicalNot,
  bitwiseNot,
});
Tensor.prototype.where = function (condition, other) {
  return where(condition, this, other);
};
