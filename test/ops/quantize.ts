import {
  dequantizeLinear,
  dynamicQuantizeLinear,
  fakeQuantize,
  quantizeLinear,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { roundHalfEven } from '../support/floats.ts';
import { defineRows, type InputSpec, type NdArray, ndarray } from '../support/op_rows.ts';

/** Maps every element with the scale and the zero point of its channel. */
function perChannel(inputs: readonly NdArray[], axis: number, map: (x: number, scale: number, zero: number) => number) {
  const [x, scale, zero] = inputs as [NdArray, NdArray, NdArray];
  const inner = x.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const pick = (p: NdArray, i: number) =>
    p.data[p.shape.length === 0 ? 0 : Math.floor(i / inner) % p.data.length] as number;
  return ndarray(x.shape, (i) => map(x.data[i] as number, pick(scale, i), pick(zero, i)));
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const level = (x: number, scale: number, zero: number, low: number, high: number): number =>
  Number.isNaN(x) ? zero : clamp(roundHalfEven(Math.fround(x / scale)) + zero, low, high);

const floats = (shape: readonly number[]): InputSpec => ({ shape, dtype: 'f32', range: [-40, 40], grad: false });
const scale = (...shape: number[]): InputSpec => ({ shape, dtype: 'f32', range: [0.05, 0.6], grad: false });
// Halves of powers of two, so that ties are met.
const power: InputSpec = { shape: [], dtype: 'f32', values: [0.25], grad: false };
const ties: InputSpec = {
  shape: [8],
  dtype: 'f32',
  values: [0.125, 0.375, -0.125, -0.375, 0.625, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  grad: false,
};
const zero = (...shape: number[]): InputSpec => ({ shape, dtype: 'i32', range: [0, 100] });

const quantized = (dtype: 'u8' | 'i8') =>
  defineRows<{ axis?: number } | undefined>({
    name: 'quantize_linear',
    dtypes: [dtype],
    family: 'exact',
    differentiable: false,
    call: ([x, s, z], attrs) => quantizeLinear(x as Tensor, s as Tensor, z as Tensor, { dtype, ...attrs }),
    reference: (inputs, attrs) => {
      const [low, high] = dtype === 'u8' ? [0, 255] : [-128, 127];
      return perChannel(inputs as NdArray[], attrs?.axis ?? 0, (x, s, z) => level(x, s, z, low, high));
    },
    samples: [
      { inputs: [ties, power, zero()] },
      { inputs: [floats([3, 37]), scale(), zero()] },
      { inputs: [floats([3, 37]), scale(3), zero(3)] },
      { inputs: [floats([3, 37]), scale(37), zero(37)], attrs: { axis: 1 } },
      { inputs: [floats([2, 5, 7]), scale(5), zero()], attrs: { axis: 1 } },
      { inputs: [floats([0, 5]), scale(5), zero(5)], attrs: { axis: 1 } },
    ],
    errors: [
      {
        name: 'a zero point outside of the range',
        run: () => quantizeLinear(zeros([3]), 1, tensor(300, { dtype: 'i32' })),
        code: 'ERR_ARGUMENT',
        message: 'quantize_linear: zero point 300 is outside of the range 0 to 255',
      },
      {
        name: 'such a zero point as a number, at once',
        run: () => void quantizeLinear(zeros([3]), 1, -1),
        code: 'ERR_ARGUMENT',
        message: 'quantize_linear: zero point -1 is outside of the range 0 to 255',
      },
      {
        name: 'a level that is no whole number',
        run: () => quantizeLinear(zeros([3]), 1, 0, { quantMax: 1.5 }),
        code: 'ERR_ARGUMENT',
        message: 'quantize_linear: quant_max must be a whole number but is 1.5',
      },
    ],
  });

const dequantized = defineRows<{ axis?: number } | undefined>({
  name: 'dequantize_linear',
  dtypes: ['f32'],
  family: 'elementwise',
  differentiable: false,
  call: ([x, s, z], attrs) => dequantizeLinear(x as Tensor, s as Tensor, z as Tensor, attrs),
  reference: (inputs, attrs) => perChannel(inputs as NdArray[], attrs?.axis ?? 0, (x, s, z) => (x - z) * s),
  samples: (['u8', 'i8', 'i32'] as const).flatMap((dtype) => [
    { inputs: [{ shape: [3, 37], dtype }, scale(), zero()] },
    { inputs: [{ shape: [3, 37], dtype }, scale(37), zero(37)], attrs: { axis: 1 } },
    { inputs: [{ shape: [2, 5, 7], dtype }, scale(5), zero(5)], attrs: { axis: 1 } },
  ]),
});

// The straight-through gradient is no derivative: test/conformance compares it with PyTorch's.
const fake = defineRows<{ axis?: number } | undefined>({
  name: 'fake_quantize',
  covers: ['fake_quantize_input_grad'],
  dtypes: ['f32', 'f16', 'bf16'],
  family: 'elementwise',
  differentiable: false,
  call: ([x, s, z], attrs) => fakeQuantize(x as Tensor, s as Tensor, z as Tensor, 0, 127, attrs),
  reference: (inputs, attrs) =>
    perChannel(inputs as NdArray[], attrs?.axis ?? 0, (x, s, z) => (level(x, s, z, 0, 127) - z) * s),
  samples: [
    { inputs: [{ shape: [3, 37], range: [-40, 40], grad: false }, scale(), zero()] },
    { inputs: [{ shape: [2, 5, 7], range: [-40, 40], grad: false }, scale(5), zero(5)], attrs: { axis: 1 } },
  ],
});

const dynamic = defineRows({
  name: 'dynamic_quantize_linear',
  dtypes: ['f32', 'f16', 'bf16'],
  family: 'exact',
  differentiable: false,
  call: ([x]) => {
    const { values, scale: step, zeroPoint } = dynamicQuantizeLinear(x as Tensor);
    return [values, step, zeroPoint];
  },
  reference: ([x]) => {
    const { shape, data } = x as NdArray;
    const known = Array.from(data).filter((value) => !Number.isNaN(value));
    const [least, most] = [Math.min(0, ...known), Math.max(0, ...known)];
    const step = least === most ? 1 : Math.fround(Math.fround(most - least) / 255);
    const z = clamp(roundHalfEven(Math.fround(-least / step)), 0, 255);
    const values = ndarray(shape, (i) => level(data[i] as number, step, z, 0, 255), 'u8');
    return [values, ndarray([], () => step, 'f32'), ndarray([], () => z, 'i32')];
  },
  samples: [
    { inputs: [{ shape: [3, 37] }] },
    { inputs: [{ shape: [100], range: [3, 9] }] },
    { inputs: [{ shape: [100], range: [-9, -3] }] },
    { inputs: [{ shape: [4], values: [0, 0, 0, 0] }] },
    { inputs: [{ shape: [4], values: [Number.NaN, 1, -1, 0.5] }], name: 'NaN' },
  ],
});

export default [dynamic, quantized('u8'), quantized('i8'), dequantized, fake];
