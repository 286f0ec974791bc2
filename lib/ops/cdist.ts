// Distances between all pairs of two sets of vectors.
import { promote } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { type Attrs, isGradEnabled } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { expectTensor, withOptional } from './arguments.ts';
import { cast } from './cast.ts';
import { eq, where } from './comparisons.ts';
import { unsqueeze } from './dims.ts';
import { abs, div, mul, sign, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { norm } from './moments.ts';
import { mean, sum } from './reduce.ts';
import { expand, reshape, transpose } from './views.ts';

const norms: Readonly<Record<number, 'sum' | 'euclid' | 'most'>> = { 1: 'sum', 2: 'euclid', [Infinity]: 'most' };

const differences = (a: Tensor, b: Tensor): Tensor => sub(unsqueeze(a, -2), unsqueeze(b, -3));

/** From slopes (B, P, R, M) of the distances the gradients of both sets. */
function spread(dout: Tensor, slopes: Tensor): Grads {
  const each = mul(slopes, unsqueeze(dout, -1));
  return [sum(each, -2), mul(sum(each, -3), -1)];
}

/** Places of all pairs, up to which the gradient takes pair by pair where products of matrices would do. */
const fewPlaces = 2 ** 16;

/** The gradient of a; y: the distances, where the norm is not the sum of the sizes. */
const inputGrad = defineOp('cdist_input_grad', {
  call: (run) => (dout: Tensor, a: Tensor, b: Tensor, y: Tensor | null, attrs: Attrs) =>
    run(withOptional([dout, a, b], [y]), attrs),
  grad: 'none',
  onnx: 'none',
});

const distances = defineOp('cdist', {
  call: (run) => (a: Tensor, b: Tensor, p: number) => run([a, b], { norm: norms[p] as string }),
  saves: { inputs: [0, 1], outputs: [0] },
  grad: (ctx, dout): Grads => {
    const [a, b, y] = [ctx.input(0), ctx.input(1), ctx.output(0)];
    const norm = ctx.attrs.norm as string;
    // The kernel's result has no history: to differentiate it again, it is written with ops.
    if (!isGradEnabled() && (norm !== 'euclid' || y.numel * (a.shape[2] as number) <= fewPlaces)) {
      const sizes = norm === 'sum' ? null : y;
      const da = ctx.needs(0) ? inputGrad(dout, a, b, sizes, { norm }) : null;
      if (!ctx.needs(1)) return [da, null];
      return [da, inputGrad(transpose(dout), b, a, sizes && transpose(sizes), { norm })];
    }
    if (norm === 'sum') return spread(dout, sign(differences(a, b)));
    if (norm === 'most') {
      const apart = differences(a, b);
      return spread(dout, where(eq(abs(apart), unsqueeze(y, -1)), sign(apart), 0));
    }
    // As products of what each pair counts with the vectors, which lie around one point, lest digits be lost.
    const same = eq(y, 0);
    const shares = where(same, 0, div(dout, where(same, 1, y)));
    const center = mean(b, -2, true).detach();
    const [left, right] = [sub(a, center), sub(b, center)];
    const da = ctx.needs(0) ? sub(mul(left, sum(shares, -1, true)), matmul(shares, right)) : null;
    if (!ctx.needs(1)) return [da, null];
    const turned = transpose(shares);
    return [da, sub(mul(right, sum(turned, -1, true)), matmul(turned, left))];
  },
  onnx: (graph, { inputs, attrs }) => {
    const at = (i: number, axis: number): string =>
      graph.node('Unsqueeze', [inputs[i] as string, graph.constant([axis], 'i64')]);
    const apart = graph.node('Sub', [at(0, 2), at(1, 1)]);
    const axes = graph.constant([3], 'i64');
    if (attrs.norm === 'most') return graph.node('ReduceMax', [graph.node('Abs', [apart]), axes], { keepdims: 0 });
    return graph.node(attrs.norm === 'sum' ? 'ReduceL1' : 'ReduceL2', [apart, axes], { keepdims: 0 });
  },
});

const listed = (x: Tensor): string => `[${x.shape.join(', ')}]`;

/** The leading dimensions of both, broadcast. */
function leading(a: Tensor, b: Tensor): Shape {
  const [x, y] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const rank = Math.max(x.length, y.length);
  return Array.from({ length: rank }, (_, d) => {
    const [n = 1, m = 1] = [x[d - rank + x.length], y[d - rank + y.length]];
    if (n !== m && n !== 1 && m !== 1)
      throw new TilegradError('ERR_SHAPE', `cdist: shapes ${listed(a)} and ${listed(b)} do not broadcast`);
    return n === 1 ? m : n;
  });
}

/**
 * The p-norms (default: 2) of the differences of all rows: a (..., P, M) and b (..., R, M) give (..., P, R). For p of 1, 2 and
 * Infinity the differences are not written out, else they take P times R times M numbers. The gradient is 0 where a
 * 2-norm is 0. Throws ERR_SHAPE where the vectors differ in length or the other dimensions do not broadcast. As torch.cdist,
 * but that the distances of many vectors are as exact as those of few.
 */
export function cdist(a: Tensor, b: Tensor, options: { p?: number | undefined } = {}): Tensor {
  checkOptions('cdist', options, ['p']);
  const { p = 2 } = options;
  expectTensor('cdist', 'a', a);
  expectTensor('cdist', 'b', b);
  const [rows, columns, length] = [a.shape.at(-2), b.shape.at(-2), a.shape.at(-1)];
  if (rows === undefined || columns === undefined || length !== b.shape.at(-1))
    throw new TilegradError(
      'ERR_SHAPE',
      `cdist: a (..., P, M) and b (..., R, M) need vectors of one length (a ${listed(a)}, b ${listed(b)})`,
    );
  const lead = leading(a, b);
  if (norms[p] === undefined) return norm(differences(a, b), p, -1);
  const batch = lead.reduce((x, y) => x * y, 1);
  const dtype = promote(a.dtype, b.dtype);
  const flat = (x: Tensor, count: number): Tensor =>
    reshape(expand(cast(x, dtype), [...lead, count, length as number]), [batch, count, length as number]);
  return reshape(distances(flat(a, rows), flat(b, columns), p), [...lead, rows, columns]);
}
