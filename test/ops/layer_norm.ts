// layer_norm, rms_norm and group_norm, which is layer_norm in another shape.
import { groupNorm, layerNorm, rmsNorm, zeros } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, ndarray, type Sample } from '../support/op_rows.ts';

interface Attrs {
  dims: number;
  eps?: number;
}

type Round = (x: number) => number;

/** Each run of `n` neighbours less its mean, over the root of its mean square plus eps. */
function standardized(x: NdArray, n: number, center: boolean, eps: number, round: Round): Float64Array {
  const total = (terms: readonly number[]) => terms.reduce((a, b) => round(a + b), 0);
  const out = new Float64Array(x.data.length);
  for (let start = 0; start < x.data.length; start += n) {
    const values = [...x.data.subarray(start, start + n)];
    const mean = center ? round(total(values) / n) : 0;
    const variance = round(total(values.map((v) => round(round(v - mean) ** 2))) / n);
    const root = round(Math.sqrt(round(variance + eps)));
    values.forEach((v, i) => {
      out[start + i] = round(round(v - mean) / root);
    });
  }
  return out;
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
  defineRows<{ groups: number }>({
    name: 'layer_norm',
    dtypes,
    family: 'accumulating',
    call: ([x, weight = null, bias = null], { groups }) => groupNorm(x!, groups, { weight, bias }),
    reference: ([x, weight, bias], { groups }, round) => {
      const [samples = 1, channels = 1] = x!.shape;
      const y = standardized(x!, x!.data.length / (samples * groups), true, 1e-5, round);
      const inner = x!.data.length / (samples * channels);
      return ndarray(x!.shape, (i) => {
        const c = Math.floor(i / inner) % channels;
        return round(round(y[i]! * (weight?.data[c] ?? 1)) + (bias?.data[c] ?? 0));
      });
    },
    samples: [
      { name: 'group_norm in 2 groups', inputs: [of(2, 4, 3), of(4), of(4)], attrs: { groups: 2 } },
      { name: 'group_norm of single channels', inputs: [of(2, 3, 2, 2), null, null], attrs: { groups: 3 } },
    ],
    errors: [
      {
        name: 'groups that do not divide',
        run: () => groupNorm(zeros([2, 3]), 2),
        code: 'ERR_SHAPE',
        message: 'groupNorm: 2 groups do not divide the channels of [2, 3]',
      },
    ],
  }),
];
