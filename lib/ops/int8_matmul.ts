// Integer matrix product of quantised tensors, with the scales that lead back to floats or bytes.
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { besides, expectTensor } from './arguments.ts';
import type { QuantizeParameter } from './quantize.ts';

/** Options of `int8Matmul`. */
export interface Int8MatmulOptions {
  /** A whole number, or i32, one for all or one per row of a. Default: 0. */
  aZeroPoint?: QuantizeParameter | null | undefined;
  /** A whole number, or i32, one for all or one per column of b. Default: 0. */
  bZeroPoint?: QuantizeParameter | null | undefined;
  /** A number, or f32, one for all or one per column of b: what a unit of the integer sum is worth in the output. */
  scale?: QuantizeParameter | null | undefined;
  /** One per column of b: i32 is added to the integer sum, f32 after scaling. */
  bias?: Tensor | null | undefined;
  /** i32 without a scale; with one f32, or u8 or i8, rounded half to even and clamped. Default: f32 with a scale, else i32. */
  dtype?: 'i32' | 'f32' | 'u8' | 'i8' | undefined;
  /** Added to an output of u8 or i8 after rounding. Default: 0. */
  outZeroPoint?: number | undefined;
  /** Negative results become 0 before they are rounded. Default: false. */
  relu?: boolean | undefined;
}

const product = defineOp('int8_matmul', {
  call: (run) => run,
  grad: 'none',
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    if (attrs.dtype !== 'i32' || inputMeta[5])
      throw new TilegradError('ERR_UNSUPPORTED', 'int8_matmul: only the plain integer product has an ONNX operator');
    return graph.node('MatMulInteger', inputs.slice(0, 4));
  },
});

/**
 * Multiplies bytes a [..., m, k] and b [..., k, n] (u8 or i8 each) to [..., m, n], exactly, at every value on every machine:
 * (a - aZeroPoint) (b - bZeroPoint) in 32-bit integers, then times `scale` to floats or back to bytes. Leading dimensions
 * broadcast, transposed views are read as they lie. Throws ERR_SHAPE, ERR_DTYPE, and ERR_ARGUMENT for a scale that is
 * missing or not wanted. As ONNX's MatMulInteger and, with a scale and bytes out, QLinearMatMul.
 */
export function int8Matmul(a: Tensor, b: Tensor, options: Int8MatmulOptions = {}): Tensor {
  checkOptions('int8Matmul', options, ['aZeroPoint', 'bZeroPoint', 'scale', 'bias', 'dtype', 'outZeroPoint', 'relu']);
  expectTensor('int8_matmul', 'a', a);
  const { aZeroPoint = null, bZeroPoint = null, scale = null, bias = null, outZeroPoint = 0, relu = false } = options;
  const zeroPoints = [besides(a, aZeroPoint, 'i32'), besides(a, bZeroPoint, 'i32')];
  return product([a, b, ...zeroPoints, besides(a, scale, 'f32'), bias], {
    dtype: options.dtype ?? (scale === null ? 'i32' : 'f32'),
    out_zero_point: outZeroPoint,
    relu,
  });
}

/** Attributes of a layer that quantises its input itself. */
export interface DynamicProductOptions {
  /** Negative results become 0. Default: false. */
  relu?: boolean | undefined;
}

/**
 * x weight^T + bias in integers: x [..., k] (f32, f16 or bf16) becomes u8 by its own range, weight [n, k] is i8 with
 * `weightScale` (f32, one or n), bias is f32 [n] or null; gives f32 [..., n]. For inference: no gradient flows. Throws ERR_SHAPE,
 * ERR_DTYPE. As torch.ops.quantized.linear_dynamic.
 */
export const int8LinearDynamic = defineOp('int8_linear_dynamic', {
  call:
    (run) =>
    (
      x: Tensor,
      weight: Tensor,
      weightScale: Tensor,
      bias: Tensor | null = null,
      options: DynamicProductOptions = {},
    ): Tensor => {
      checkOptions('int8LinearDynamic', options, ['relu']);
      return run(bias ? [x, weight, weightScale, bias] : [x, weight, weightScale], { relu: options.relu ?? false });
    },
  grad: 'none',
  onnx: 'none',
});
