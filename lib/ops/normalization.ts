// What the normalizations share: their options, how their kernels are called, and their gradient written with ops.
import { type Attrs, isGradEnabled } from '../graph.ts';
import type { GradContext, Grads, Run } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { withOptional } from './arguments.ts';
import { add, mul, pow, sub } from './elementwise.ts';

/** Weight and bias of the normalizations, and what is added to the variance. */
export interface AffineOptions {
  /** What the result is multiplied by. Default: 1. */
  readonly weight?: Tensor | null | undefined;
  /** What is added then. Default: 0. */
  readonly bias?: Tensor | null | undefined;
  /** Added to the variance. Default: 1e-5. */
  readonly eps?: number | undefined;
}

/** The op's result without its statistics, which only the tape keeps. */
export const callNormalization =
  (run: Run) =>
  (x: Tensor, weight: Tensor | null, bias: Tensor | null, attrs: Attrs): Tensor => {
    const [y, center, rstd] = run.all(withOptional([x], [weight, bias]), attrs) as [Tensor, Tensor, Tensor];
    center.dispose();
    rstd.dispose();
    return y;
  };

/** The gradient's kernel: of `given`, which is dout, x and the statistics. */
export const callNormalizationGrad =
  (run: Run) =>
  (given: Tensor[], weight: Tensor | null, attrs: Attrs): Tensor[] =>
    run.all(withOptional(given, [weight]), attrs);

/**
 * The gradients of x, weight, bias and what follows them: by `kernel` or, where they are to have gradients themselves, which
 * the kernel's results have not, by `gradients`, which is written with ops.
 */
export function normalizationGrads(
  ctx: GradContext,
  dout: Tensor,
  kernel: (given: Tensor[], weight: Tensor | null) => Tensor[],
  gradients: (dout: Tensor, x: Tensor, weight: Tensor | null) => Tensor[],
): Grads {
  const x = ctx.input(0);
  const weight = ctx.has(1) ? ctx.input(1) : null;
  const [dx = null, dweight = null, dbias = null] = isGradEnabled()
    ? gradients(dout, x, weight)
    : kernel([dout, x, ctx.output(1), ctx.output(2)], weight);
  return [dx, weight && dweight, ctx.has(2) ? dbias : null, null, null].slice(0, ctx.inputCount);
}

/** x less its average, or x itself where it is not centred, over its deviation; and 1 over that. */
export function standardize(
  x: Tensor,
  average: (v: Tensor) => Tensor,
  eps: number,
  center = true,
): [normalized: Tensor, rstd: Tensor] {
  const centered = center ? sub(x, average(x)) : x;
  const rstd = pow(add(average(mul(centered, centered)), eps), -0.5);
  return [mul(centered, rstd), rstd];
}

/** The gradient of x, from that of what {@link standardize} made of it. */
export function standardizeGrad(
  given: Tensor,
  [normalized, rstd]: readonly [normalized: Tensor, rstd: Tensor],
  average: (v: Tensor) => Tensor,
  center = true,
): Tensor {
  const along = mul(normalized, average(mul(given, normalized)));
  return mul(rstd, sub(given, center ? add(average(given), along) : along));
}
