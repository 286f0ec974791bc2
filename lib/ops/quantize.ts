// Between floats and integers of few bits.
import { checkOptions, TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { besides, expectTensor } from './arguments.ts';

/** One scale (or zero point) for the whole tensor, or a tensor of one per channel. */
export type QuantizeParameter = number | Tensor;

/** Options of the functions that quantize. */
export interface QuantizeOptions {
  /** 'u8' or 'i8'. Default: 'u8'. */
  dtype?: 'u8' | 'i8' | undefined;
  /** The dimension that per-channel parameters run along. Default: 0. */
  axis?: number | undefined;
  /** The least level. Default: that of the dtype. */
  quantMin?: number | undefined;
  /** The greatest level. Default: that of the dtype. */
  quantMax?: number | undefined;
}

/** Throws for a number at once; a tensor is checked where it is read. */
function checkZeroPoint(op: string, zeroPoint: QuantizeParameter, least: number, most: number): void {
  if (typeof zeroPoint === 'number' && least <= most && !(zeroPoint >= least && zeroPoint <= most))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${op}: zero point ${zeroPoint} is outside of the range ${least} to ${most}`,
    );
}

const quantizeOp = defineOp('quantize_linear', {
  call: (run) => run,
  grad: 'none',
  onnx: 'none',
});

/**
 * Integers clamp(round(x / scale) + zeroPoint, quantMin, quantMax) of an f32, f16 or bf16 tensor, rounded half to even; NaN
 * becomes the zero point. `scale` (f32) and `zeroPoint` (i32) are numbers or one per channel along `axis`.
 * Throws ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT. As torch.quantize_per_tensor, torch.quantize_per_channel.
 */
export function quantizeLinear(
  x: Tensor,
  scale: QuantizeParameter,
  zeroPoint: QuantizeParameter = 0,
  options: QuantizeOptions = {},
): Tensor {
  checkOptions('quantizeLinear', options, ['dtype', 'axis', 'quantMin', 'quantMax']);
  expectTensor('quantize_linear', 'input', x);
  const { dtype = 'u8', axis = 0 } = options;
  const { quantMin = dtype === 'i8' ? -128 : 0, quantMax = dtype === 'i8' ? 127 : 255 } = options;
  checkZeroPoint('quantize_linear', zeroPoint, quantMin, quantMax);
  const attrs = { axis, dtype, quant_min: quantMin, quant_max: quantMax };
  return quantizeOp([x, besides(x, scale, 'f32'), besides(x, zeroPoint, 'i32')], attrs);
}

const dequantizeOp = defineOp('dequantize_linear', {
  call: (run) => run,
  grad: 'none',
  onnx: 'none',
});

/** (x - zeroPoint) * scale of a u8, i8 or i32 tensor, as f32; parameters as of {@link quantizeLinear}. As torch.dequantize. */
export function dequantizeLinear(
  x: Tensor,
  scale: QuantizeParameter,
  zeroPoint: QuantizeParameter = 0,
  options: { axis?: number | undefined } = {},
): Tensor {
  checkOptions('dequantizeLinear', options, ['axis']);
  expectTensor('dequantize_linear', 'input', x);
  return dequantizeOp([x, besides(x, scale, 'f32'), besides(x, zeroPoint, 'i32')], { axis: options.axis ?? 0 });
}

/** What {@link dynamicQuantizeLinear} gives. */
export interface DynamicQuantized {
  /** u8, in the shape of the input. */
  values: Tensor;
  /** f32, no dimensions. */
  scale: Tensor;
  /** i32, no dimensions. */
  zeroPoint: Tensor;
}

/**
 * Quantises an f32, f16 or bf16 tensor to u8 with the scale and zero point that its own least and most (and 0) ask for; NaN takes no part
 * and becomes the zero point. Nothing waits for the values. Throws ERR_DTYPE. As ONNX's DynamicQuantizeLinear.
 */
export const dynamicQuantizeLinear = defineOp('dynamic_quantize_linear', {
  call:
    (run) =>
    (x: Tensor): DynamicQuantized => {
      const [values, scale, zeroPoint] = run.all([x]) as [Tensor, Tensor, Tensor];
      return { values, scale, zeroPoint };
    },
  grad: 'none',
  onnx: 'none',
});

// The straight-through estimator: 1 where the level lies in the range, else 0.
const fakeQuantizeInputGrad = defineOp('fake_quantize_input_grad', {
  call: (run) => run,
  saves: { inputs: [1, 2, 3] },
  grad: (ctx, ddx): Grads => [
    fakeQuantizeInputGrad([ddx, ctx.input(1), ctx.input(2), ctx.input(3)], ctx.attrs),
    null,
    null,
    null,
  ],
  onnx: 'none',
});

const fakeQuantizeOp = defineOp('fake_quantize', {
  call: (run) => run,
  saves: { inputs: [0, 1, 2] },
  grad: (ctx, dout): Grads => [
    fakeQuantizeInputGrad([dout, ctx.input(0), ctx.input(1), ctx.input(2)], ctx.attrs),
    null,
    null,
  ],
  onnx: 'none',
});

/**
 * What {@link quantizeLinear} and {@link dequantizeLinear} make of `x`, in its own dtype: for training with quantisation in mind. The gradient is
 * straight through where the level lies within `quantMin` and `quantMax`, else 0. As torch.fake_quantize_per_tensor_affine.
 */
export function fakeQuantize(
  x: Tensor,
  scale: QuantizeParameter,
  zeroPoint: QuantizeParameter,
  quantMin: number,
  quantMax: number,
  options: { axis?: number | undefined } = {},
): Tensor {
  checkOptions('fakeQuantize', options, ['axis']);
  expectTensor('fake_quantize', 'input', x);
  checkZeroPoint('fake_quantize', zeroPoint, quantMin, quantMax);
  const attrs = { axis: options.axis ?? 0, quant_min: quantMin, quant_max: quantMax };
  return fakeQuantizeOp([x, besides(x, scale, 'f32'), besides(x, zeroPoint, 'i32')], attrs);
}
