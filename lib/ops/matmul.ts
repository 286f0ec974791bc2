// Matrix product: a (..., m, k) times b (..., k, n), plus a bias (n).
import { checkOptions, TilegradError } from '../error.ts';
import { isGradEnabled } from '../graph.ts';
import { defineOp, type Grads, type OnnxCall, type OnnxGraph } from '../op.ts';
import { getFloat32MatmulPrecision, precisionAttribute } from '../precision.ts';
import { type Shape, Tensor } from '../tensor.ts';
import type { LinearFault, MatmulFault, MatmulShape, Rows, WithLast } from '../typed_shapes.ts';
import { expectTensor } from './arguments.ts';
import { beforeActivation } from './activation_gradients.ts';
import { gelu, silu } from './activations.ts';
import { sum } from './reduce.ts';
import { reshape, transpose } from './views.ts';

const product = defineOp('matmul', {
  call:
    (run) =>
    (a: Tensor, b: Tensor, bias: Tensor | null = null): Tensor =>
      run(bias ? [a, b, bias] : [a, b], precisionAttribute()),
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const da = ctx.needs(0) ? product(dout, transpose(ctx.input(1))) : null;
    const db = ctx.needs(1) ? weightGrad(ctx.input(0), dout, ctx.input(1)) : null;
    if (ctx.inputCount === 2) return [da, db];
    const lead = ctx.outputMeta(0).shape.map((_, i) => i);
    return [da, db, ctx.needs(2) ? sum(dout, lead.slice(0, -1)) : null];
  },
  onnx: (graph, { inputs }) => {
    const y = graph.node('MatMul', inputs.slice(0, 2));
    return inputs.length === 3 ? graph.node('Add', [y, inputs[2] as string]) : y;
  },
});

/** a^T dout. Where one matrix b served a whole batch, the batch becomes rows instead of being summed afterwards. */
function weightGrad(a: Tensor, dout: Tensor, b: Tensor): Tensor {
  if (b.rank > 2) return product(transpose(a), dout);
  // Of a b that is a weight seen transposed, computed the other way round, the gradient lies as the weight does.
  if (b.stride()[0] === 1) return transpose(product(transpose(asRows(dout)), asRows(a)));
  return product(transpose(asRows(a)), asRows(dout));
}

/**
 * The matrix product. a [..., m, k] and b [..., k, n] give [..., m, n]; leading dimensions broadcast. A vector a [k]
 * counts as one row and a vector b [k] as one column, and that dimension is dropped from the result. Transposed and
 * expanded views are read as they lie. Floating-point dtypes; f16 and bf16 are summed in f32.
 * Throws ERR_SHAPE where the inner sizes differ, ERR_DTYPE for other or unequal dtypes. As torch.matmul.
 */
export function matmul<A extends Shape, B extends Shape>(
  a: Tensor<A>,
  b: Tensor<B> & MatmulFault<A, B>,
): Tensor<MatmulShape<A, B>> {
  expectTensor('matmul', 'a', a);
  expectTensor('matmul', 'b', b);
  if (a.rank === 0 || b.rank === 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `matmul: a and b must have at least 1 dimension (a [${a.shape.join(', ')}], b [${b.shape.join(', ')}])`,
    );
  if (a.rank > 1 && b.rank > 1) return product(a, b);
  const y = product(a.rank > 1 ? a : reshape(a, [1, -1]), b.rank > 1 ? b : reshape(b, [-1, 1]));
  const dims = [...y.shape];
  if (b.rank === 1) dims.pop();
  if (a.rank === 1) dims.splice(b.rank === 1 ? dims.length - 1 : dims.length - 2, 1);
  return reshape(y, dims);
}

/** An activation that `linear` can apply to its result before it is written. */
export type LinearActivation = 'relu' | 'gelu' | 'gelu_tanh' | 'silu';

/** What follows the product of `linear` before its result is written: activation(x weight^T + bias + residual). */
export interface LinearEpilogue {
  /** [..., out], added as it is. Default: none. */
  residual?: Tensor | null | undefined;
  /** {@link relu}, {@link gelu}, gelu with approximate: 'tanh', or {@link silu}. Default: none. */
  activation?: LinearActivation | null | undefined;
}

// Calls that are recorded have no activation but ReLU, whose gradient needs no more than its output.
const affine = defineOp('linear', {
  call:
    (run) =>
    (
      x: Tensor,
      weight: Tensor,
      bias: Tensor | null,
      residual: Tensor | null,
      activation: LinearActivation | 'none',
    ): Tensor => {
      const attrs = { precision: getFloat32MatmulPrecision(), activation };
      if (residual) return run([x, weight, bias, residual], attrs);
      return run(bias ? [x, weight, bias] : [x, weight], attrs);
    },
  saves: { inputs: [0, 1], outputs: ({ activation }) => (activation === 'none' ? [] : [0]) },
  grad: (ctx, dy): Grads => {
    const dout = beforeActivation(ctx.attrs.activation as 'none' | 'relu', dy, () => ctx.output(0));
    const grads = [
      ctx.needs(0) ? product(dout, ctx.input(1)) : null,
      ctx.needs(1) ? product(transpose(asRows(dout)), asRows(ctx.input(0))) : null,
    ];
    if (ctx.inputCount > 2) grads.push(ctx.needs(2) ? sum(asRows(dout), 0) : null);
    if (ctx.inputCount > 3) grads.push(ctx.needs(3) ? dout : null);
    return grads;
  },
  onnx: onnxLinear,
});

function onnxLinear(graph: OnnxGraph, { inputs, inputMeta, attrs }: OnnxCall): string {
  const [x, weight, bias, residual] = inputs as [string, string, string, string];
  let y: string;
  if (inputMeta[0]?.shape.length === 2) {
    y = graph.node('Gemm', inputMeta[2] ? [x, weight, bias] : [x, weight], { transB: 1 });
  } else {
    y = graph.node('MatMul', [x, graph.node('Transpose', [weight])]);
    if (inputMeta[2]) y = graph.node('Add', [y, bias]);
  }
  if (inputMeta[3]) y = graph.node('Add', [y, residual]);
  if (attrs.activation === 'relu') return graph.node('Relu', [y]);
  if (attrs.activation === 'gelu') return graph.node('Gelu', [y]);
  if (attrs.activation === 'gelu_tanh') return graph.node('Gelu', [y], { approximate: 'tanh' });
  return attrs.activation === 'silu' ? graph.node('Mul', [y, graph.node('Sigmoid', [y])]) : y;
}

// A curved activation has its gradient from what it is applied to, which a fused one would not keep.
const curved: { [name: string]: ((x: Tensor) => Tensor) | undefined } = {
  gelu,
  gelu_tanh: (x) => gelu(x, { approximate: 'tanh' }),
  silu,
};

const epilogueNames = ['residual', 'activation'];

function linearWith(x: Tensor, weight: Tensor, bias: Tensor | null, epilogue: LinearEpilogue): Tensor {
  checkOptions('linear', epilogue, epilogueNames);
  const residual = epilogue.residual ?? null;
  const activation = epilogue.activation ?? 'none';
  if (activation === 'none' || activation === 'relu') return affine(x, weight, bias, residual, activation);
  const apart = curved[activation];
  if (!apart || !isGradEnabled() || ![x, weight, bias, residual].some((input) => input?.requiresGrad))
    return affine(x, weight, bias, residual, activation);
  return apart(affine(x, weight, bias, residual, 'none'));
}

/** All leading dimensions as one. */
function asRows(x: Tensor): Tensor {
  return x.rank === 2
    ? x
    : reshape(x, [x.shape.slice(0, -1).reduce((n, size) => n * size, 1), x.shape.at(-1) as number]);
}

/**
 * x weight^T + bias: x [..., in], weight [out, in], bias [out] (default none) give [..., out], to which residual and
 * activation are applied, if given. Throws ERR_SHAPE where the sizes do not fit, ERR_DTYPE as {@link matmul}, ERR_ARGUMENT for
 * an unknown activation. As torch.nn.functional.linear.
 */
export function linear<X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Tensor<W> & LinearFault<X, W>,
  bias: Tensor | null = null,
  epilogue?: LinearEpilogue,
): Tensor<WithLast<X, Rows<W>>> {
  expectTensor('linear', 'input', x);
  if (x.rank !== 1) return epilogue ? linearWith(x, weight, bias, epilogue) : affine(x, weight, bias, null, 'none');
  const rows: Tensor = reshape(x, [1, -1]);
  const residual = epilogue?.residual && reshape(epilogue.residual, [1, -1]);
  const y: Tensor = reshape(linearWith(rows, weight, bias, { ...epilogue, residual }), [-1]);
  return y;
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link matmul}. */
    matmul<A extends Shape, B extends Shape>(
      this: Tensor<A>,
      other: Tensor<B> & MatmulFault<A, B>,
    ): Tensor<MatmulShape<A, B>>;
  }
}
Tensor.prototype.matmul = function (other) {
  return matmul(this, other);
};
