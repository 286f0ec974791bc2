// group_norm by its plain definition.
import { groupNorm, zeros } from 'tilegrad';
import { defineRows, type InputSpec, ndarray } from '../support/op_rows.ts';
import { standardized } from '../support/standardized.ts';

const of = (...shape: number[]): InputSpec => ({ shape });

export default [
  defineRows<{ groups: number }>({
    name: 'group_norm',
    covers: ['group_norm_grad'],
    dtypes: ['f32', 'f64', 'f16', 'bf16'],
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
      { name: 'in 2 groups', inputs: [of(2, 4, 3), of(4), of(4)], attrs: { groups: 2 } },
      { name: 'single channels', inputs: [of(2, 3, 2, 2), null, null], attrs: { groups: 3 } },
      { name: 'without pixels', inputs: [of(5, 6), of(6), of(6)], attrs: { groups: 2 } },
      { name: 'weight alone', inputs: [of(2, 4, 5), of(4), null], attrs: { groups: 1 } },
      { name: 'bias alone', inputs: [of(2, 4, 5), null, of(4)], attrs: { groups: 4 } },
      { name: 'rows of vectors', inputs: [{ shape: [3, 4, 9, 15], grad: false }, of(4), of(4)], attrs: { groups: 2 } },
      { name: 'several chunks', inputs: [{ shape: [9, 4, 64, 32], grad: false }, of(4), of(4)], attrs: { groups: 2 } },
      { name: 'no samples', inputs: [of(0, 4, 3), of(4), of(4)], attrs: { groups: 2 } },
      { name: 'no pixels', inputs: [of(2, 4, 0), of(4), of(4)], attrs: { groups: 2 } },
      {
        name: 'far from 0',
        inputs: [{ shape: [2, 4, 40], range: [1000, 1002], grad: false }, null, null],
        attrs: { groups: 2 },
      },
      {
        name: 'squares beyond f32',
        inputs: [{ shape: [2, 4, 40], range: [-2e20, 2e20], grad: false }, null, null],
        attrs: { groups: 2 },
        dtypes: ['f32', 'f64', 'bf16'],
      },
    ],
    errors: [
      {
        name: 'groups that do not divide',
        run: () => groupNorm(zeros([2, 3]), 2),
        code: 'ERR_SHAPE',
        message: 'groupNorm: 2 groups do not divide the channels of [2, 3]',
      },
      {
        name: 'a weight of another shape',
        run: () => groupNorm(zeros([2, 4]), 2, { weight: zeros([2]) }),
        code: 'ERR_SHAPE',
        message: 'group_norm: weight must have shape [4] but has [2] (x [2, 4])',
      },
    ],
  }),
];
