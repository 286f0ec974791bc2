// clip_grad_norm by its public function, over gradients that it scales in place.
import { nn, noGrad, type Tensor, zeros } from 'tilegrad';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

const clip = (grads: readonly Tensor[], maxNorm: number): Tensor[] => {
  const parameters = grads.map((grad) => {
    const parameter = zeros(grad.shape, { dtype: grad.dtype, device: grad.device });
    parameter.grad = grad.add(0);
    return parameter;
  });
  return [nn.utils.clipGradNorm_(parameters, maxNorm), ...parameters.map(({ grad }) => grad as Tensor)];
};

const wide = { range: [-2e20, 2e20] as const };

export default defineRows<{ maxNorm: number }>({
  name: 'clip_grad_norm',
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'accumulating',
  call: (inputs, { maxNorm }) => noGrad(() => clip(inputs as Tensor[], maxNorm)),
  reference: (inputs, { maxNorm }) => {
    const grads = inputs as NdArray[];
    const norm = Math.sqrt(grads.flatMap(({ data }) => [...data]).reduce((total, v) => total + v * v, 0));
    const factor = Math.min(maxNorm / (norm + 1e-6), 1);
    return [ndarray([], () => norm), ...grads.map(({ shape, data }) => ndarray(shape, (i) => data[i]! * factor))];
  },
  samples: [
    { inputs: [{ shape: [3, 5] }, { shape: [7] }, { shape: [] }], attrs: { maxNorm: 1 } },
    { inputs: [{ shape: [3, 5] }, { shape: [7] }], attrs: { maxNorm: 100 } },
    { inputs: [{ shape: [0, 5] }, { shape: [7] }], attrs: { maxNorm: 0.5 } },
    { inputs: [{ shape: [150, 301] }, { shape: [5] }, { shape: [33000] }], attrs: { maxNorm: 0.5 } },
    {
      name: 'squares beyond f32',
      inputs: [
        { shape: [30], ...wide },
        { shape: [9], ...wide },
      ],
      attrs: { maxNorm: 1 },
      dtypes: ['f32', 'f64', 'bf16'],
    },
  ],
  differentiable: false,
  timed: [{ inputs: [{ shape: [512, 512] }, { shape: [512] }], attrs: { maxNorm: 1 } }],
});
