// layer_norm and rms_norm.
import { layerNorm, rmsNorm, zeros } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, ndarray, type Sample } from '../support/op_rows.ts';
import { type Round, standardized } from '../support/standardized.ts';

interface Attrs {
  dims: number;
  eps?: number;
}

const reference =
  (center: boolean) =>
  ([x, weight, bias]: readonly (NdArray | null | undefined)[], { dims, eps = 1e-5 }: Attrs, round: Round): NdArray => {
    const n = x!.shape.slice(x!.shape.length - dims).reduce((a, b) => a * b, 1);
    const y = standardized(x!, n, center, eps, round);
    return ndarray(x!.shape, (i) => round(round(y[i]! * (weight?.data[i % n] ?? 1)) + (bias?.data[i % n] ?? 0)));
  };

const of = (...shape: number[]): InputSpec => ({ shape });
const samples: Sample<Attrs>[] = [
  { inputs: [of(3, 5), of(5), of(5)], attrs: { dims: 1 } },
  { inputs: [of(2, 3, 4), of(3, 4), of(3, 4)], attrs: { dims: 2, eps: 0.1 } },
  { inputs: [of(2, 3, 4), null, of(4)], attrs: { dims: 1 } },
  { inputs: [of(7), of(7), null], attrs: { dims: 1 } },
  { inputs: [of(4, 6), null, null], attrs: { dims: 1, eps: 1e-3 } },
  { inputs: [{ shape: [5, 139], grad: false }, of(139), of(139)], attrs: { dims: 1 } },
  { inputs: [{ shape: [150, 33], grad: false }, of(33), of(33)], attrs: { dims: 1 } },
  {
    name: 'far from 0',
    inputs: [{ shape: [3, 64], range: [1000, 1002], grad: false }, null, null],
    attrs: { dims: 1 },
  },
  { inputs: [of(0, 3), of(3), of(3)], attrs: { dims: 1 } },
  {
    name: 'squares beyond f32',
    inputs: [{ shape: [3, 40], range: [-2e20, 2e20], grad: false }, null, null],
    attrs: { dims: 1 },
    dtypes: ['f32', 'f64', 'bf16'],
  },
  { inputs: [{ shape: [512, 768], grad: false }, of(768), of(768)], attrs: { dims: 1 }, dtypes: ['f32'], bench: true },
];

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;
const last = (x: { shape: readonly number[] }, dims: number): readonly number[] => x.shape.slice(x.shape.length - dims);

export default [
  defineRows<Attrs>({
    name: 'layer_norm',
    covers: ['layer_norm_grad'],
    dtypes,
    family: 'accumulating',
    call: ([x, weight = null, bias = null], { dims, eps }) => layerNorm(x!, last(x!, dims), { weight, bias, eps }),
    reference: reference(true),
    samples,
    errors: [
      {
        name: 'another last dimension',
        run: () => layerNorm(zeros([2, 3]), [2]),
        code: 'ERR_SHAPE',
        message: 'layerNorm: the last dimensions of [2, 3] are not [2]',
      },
      {
        name: 'a weight of another shape',
        run: () => layerNorm(zeros([2, 3]), [3], { weight: zeros([2]) }),
        code: 'ERR_SHAPE',
        message: 'layer_norm: weight must have shape [3] but has [2] (x [2, 3])',
      },
      {
        name: 'integers',
        run: () => layerNorm(zeros([2, 3], { dtype: 'i32' }), [3]),
        code: 'ERR_DTYPE',
        message: 'layer_norm: x must be a floating-point tensor but is i32',
      },
    ],
  }),
  defineRows<Attrs>({
    name: 'layer_norm',
    dtypes,
    family: 'accumulating',
    call: ([x, weight = null], { dims, eps }) => rmsNorm(x!, last(x!, dims), { weight, eps }),
    reference: reference(false),
    samples: samples
      .filter(({ inputs }) => !inputs[2])
      .map((sample) => ({ ...sample, name: `rms_norm [${sample.inputs[0]!.shape.join(', ')}]` })),
  }),
];
