// Activation layers: each is its function with its settings. The functions have tests of their own.
import { nn, type Tensor, tensor } from 'tilegrad';
import { expect, test } from 'vitest';

const x = tensor([-7, -2, -0.3, 0, 0.3, 2, 7], { dtype: 'f64' });
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
const elu = (v: number, alpha: number): number => (v > 0 ? v : alpha * Math.expm1(v));
const softplus = (v: number, beta = 1): number => Math.log1p(Math.exp(beta * v)) / beta;
const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high);

test.each<[nn.Module, (v: number) => number, string]>([
  [new nn.ReLU(), (v) => Math.max(v, 0), 'ReLU()'],
  [new nn.ReLU6(), (v) => clamp(v, 0, 6), 'ReLU6()'],
  [new nn.Sigmoid(), sigmoid, 'Sigmoid()'],
  [new nn.LogSigmoid(), (v) => Math.log(sigmoid(v)), 'LogSigmoid()'],
  [new nn.Tanh(), Math.tanh, 'Tanh()'],
  [new nn.Tanhshrink(), (v) => v - Math.tanh(v), 'Tanhshrink()'],
  [new nn.SiLU(), (v) => v * sigmoid(v), 'SiLU()'],
  [new nn.Mish(), (v) => v * Math.tanh(softplus(v)), 'Mish()'],
  [new nn.Softsign(), (v) => v / (1 + Math.abs(v)), 'Softsign()'],
  [new nn.Hardsigmoid(), (v) => clamp(v / 6 + 0.5, 0, 1), 'Hardsigmoid()'],
  [new nn.Hardswish(), (v) => v * clamp(v / 6 + 0.5, 0, 1), 'Hardswish()'],
  [new nn.SELU(), (v) => 1.0507009873554805 * elu(v, 1.6732632423543772), 'SELU()'],
  [new nn.LeakyReLU(), (v) => (v > 0 ? v : 0.01 * v), 'LeakyReLU()'],
  [new nn.LeakyReLU({ negativeSlope: 0.5 }), (v) => (v > 0 ? v : 0.5 * v), 'LeakyReLU(negativeSlope=0.5)'],
  [new nn.ELU({ alpha: 2 }), (v) => elu(v, 2), 'ELU(alpha=2)'],
  [new nn.CELU({ alpha: 2 }), (v) => (v > 0 ? v : 2 * Math.expm1(v / 2)), 'CELU(alpha=2)'],
  [
    new nn.GELU({ approximate: 'tanh' }),
    (v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    'GELU(approximate=tanh)',
  ],
  [new nn.Softplus({ beta: 2 }), (v) => softplus(v, 2), 'Softplus(beta=2)'],
  [new nn.Softplus({ threshold: 1 }), (v) => (v > 1 ? v : softplus(v)), 'Softplus(threshold=1)'],
  [new nn.Hardtanh({ minVal: -3 }), (v) => clamp(v, -3, 1), 'Hardtanh(minVal=-3)'],
  [new nn.Softshrink({ lambd: 1 }), (v) => Math.sign(v) * Math.max(Math.abs(v) - 1, 0), 'Softshrink(lambd=1)'],
  [new nn.Hardshrink(), (v) => (Math.abs(v) > 0.5 ? v : 0), 'Hardshrink()'],
  [new nn.Threshold(1, -5), (v) => (v > 1 ? v : -5), 'Threshold(limit=1, value=-5)'],
])('%s', (layer, definition, printed) => {
  expect(`${layer}`).toBe(printed);
  const values = Array.from((layer.forward(x) as Tensor).dataSync(), Number);
  (x.tolistSync() as number[]).forEach((v, i) => {
    expect(values[i], `at ${v}`).toBeCloseTo(definition(v), 10);
  });
});

test('a mistyped setting is an error that names the right one', () => {
  expect(() => new nn.LeakyReLU({ slope: 1 } as object)).toThrow("LeakyReLU: unknown option 'slope'");
  expect(() => new nn.ELU({ alpa: 1 } as object)).toThrow("did you mean 'alpha'?");
});
