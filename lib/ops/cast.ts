// Conversion between dtypes.
import { type DType, isFloat } from '../dtype.ts';
import { noGrad } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';

/** ONNX's codes of the dtypes (TensorProto.DataType). */
const onnxTypes: Readonly<Record<DType, number>> = {
  f32: 1,
  f16: 10,
  bf16: 16,
  f64: 11,
  i64: 7,
  i32: 6,
  i8: 3,
  u8: 2,
  bool: 9,
};

/**
 * The elements in another dtype; the tensor itself if it has it. Floats round to nearest even. A float becomes an integer
 * by dropping its fraction; beyond the integer's range it gives the nearest bound, and NaN gives 0. Integers keep their
 * low bits. Bool is true for all but 0. Gradients flow from float to float. As torch.Tensor.to, which leaves floats that do
 * not fit undefined.
 */
export const cast = defineOp('cast', {
  call:
    (run) =>
    <S extends Shape>(x: Tensor<S>, dtype: DType): Tensor<S> => {
      expectTensor('cast', 'input', x);
      if (x.dtype === dtype) return x;
      return isFloat(dtype) ? run([x], { dtype }) : noGrad(() => run([x], { dtype }));
    },
  grad: (ctx, dout): Grads => [cast(dout, ctx.inputMeta(0).dtype)],
  onnx: (graph, { inputs, attrs }) => graph.node('Cast', inputs, { to: onnxTypes[attrs.dtype as DType] }),
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link cast}. */
    cast(dtype: DType): Tensor<S>;
  }
}

Tensor.prototype.cast = function (dtype) {
  return cast(this, dtype);
};
