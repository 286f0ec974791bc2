// Comparisons, which give bool, and the choice between two values by such a mask: functors_comparisons.h.
import { TilegradError } from '../error.ts';
import type { Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { full } from './full.ts';
import { attach, binary, type Operand, onnxOperands, ternary } from './operand.ts';

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
  interface Tensor {
    /** {@link eq}. */
    eq(other: Operand): Tensor;
    /** {@link ne}. */
    ne(other: Operand): Tensor;
    /** {@link lt}. */
    lt(other: Operand): Tensor;
    /** {@link le}. */
    le(other: Operand): Tensor;
    /** {@link gt}. */
    gt(other: Operand): Tensor;
    /** {@link ge}. */
    ge(other: Operand): Tensor;
    /** {@link where}: this tensor where `condition` is true, else `other`. As torch.Tensor.where. */
    where(condition: Tensor, other: Operand): Tensor;
  }
}

attach({ eq, ne, lt, le, gt, ge });
Tensor.prototype.where = function (condition, other) {
  return where(condition, this, other);
};
