// Activation functions, element by element: one row per function of native/ops/elementwise/functors_activations.h.
import { checkOptions, TilegradError } from '../error.ts';
import type { Grads, OnnxRule } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { hardtanhInputGrad, type InputGrad, inputGrad, reluInputGrad } from './activation_gradients.ts';
import { cast } from './cast.ts';
import { gt, le, lt, where } from './comparisons.ts';
import { abs, add, div, minimum, mul, neg, square, sub } from './elementwise.ts';
import { exp, tanh } from './math.ts';
import { attach, binary, type Row, ternary, unary, unaryWith } from './operand.ts';
import { reshape } from './views.ts';

/** The row of an activation whose gradient op reads the input. */
const byInput = (grad: InputGrad, onnx: OnnxRule | string): Row => ({
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [grad(dout, ctx.input(0), ctx.attrs)],
  onnx,
});

/** max(x, 0); NaN stays NaN. As torch.relu. */
export const relu = unary('relu', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [reluInputGrad(dout, ctx.output(0))],
  onnx: 'Relu',
});

const bounded = unaryWith(
  'hardtanh',
  byInput(hardtanhInputGrad, (graph, { inputs, inputMeta, attrs }) => {
    const bound = (value: number) => graph.constant([value], inputMeta[0]?.dtype, []);
    return graph.node('Clip', [inputs[0] as string, bound(attrs.min_val as number), bound(attrs.max_val as number)]);
  }),
);

/** x between `minVal` and `maxVal`, by default -1 and 1; the gradient at the ends is 0. As torch.nn.functional.hardtanh. */
export function hardtanh(
  x: Tensor,
  options: { minVal?: number | undefined; maxVal?: number | undefined } = {},
): Tensor {
  checkOptions('hardtanh', options, ['minVal', 'maxVal']);
  const { minVal = -1, maxVal = 1 } = options;
  if (!(minVal <= maxVal))
    throw new TilegradError('ERR_ARGUMENT', `hardtanh: minVal ${minVal} is not below maxVal ${maxVal}`);
  return bounded(x, { min_val: minVal, max_val: maxVal });
}

/** x between 0 and 6. As torch.nn.functional.relu6. */
export function relu6(x: Tensor): Tensor {
  return bounded(x, { min_val: 0, max_val: 6 });
}

const leaky = unaryWith(
  'leaky_relu',
  byInput(inputGrad('leaky_relu_input_grad', null), (graph, { inputs, attrs }) =>
    graph.node('LeakyRelu', inputs, { alpha: attrs.negative_slope as number }),
  ),
);

/** x where it is positive, else `negativeSlope` * x. Default: 0.01. As torch.nn.functional.leaky_relu. */
export function leakyRelu(x: Tensor, options: { negativeSlope?: number | undefined } = {}): Tensor {
  checkOptions('leakyRelu', options, ['negativeSlope']);
  return leaky(x, { negative_slope: options.negativeSlope ?? 0.01 });
}

// The gradient for the slopes of prelu.
const preluWeightGrad = binary('prelu_weight_grad', {
  saves: { inputs: 'all' },
  grad: (ctx, grad): Grads => {
    const x = ctx.input(1);
    return [preluWeightGrad(grad, x), ctx.needs(1) ? where(gt(x, 0), 0, mul(grad, ctx.input(0))) : null];
  },
  onnx: 'none',
});

const preluInputGrad = ternary('prelu_input_grad', {
  saves: { inputs: 'all' },
  grad: (ctx, grad): Grads => {
    const x = ctx.input(1);
    const dslope = ctx.needs(2) ? where(gt(x, 0), 0, mul(grad, ctx.input(0))) : null;
    return [preluInputGrad(grad, x, ctx.input(2)), null, dslope];
  },
  onnx: 'none',
});

const parametric = binary('prelu', {
  saves: { inputs: 'all' },
  grad: (ctx, dout): Grads => {
    const [x, slope] = [ctx.input(0), ctx.input(1)];
    return [ctx.needs(0) ? preluInputGrad(dout, x, slope) : null, ctx.needs(1) ? preluWeightGrad(dout, x) : null];
  },
  onnx: 'PRelu',
});

/**
 * x where x > 0, else weight x: one weight for all, or one for each channel, dimension 1. Throws ERR_SHAPE for another
 * number of weights. As torch.nn.functional.prelu.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const channels = x.rank > 1 ? (x.shape[1] as number) : 1;
  if (weight.numel !== 1 && (weight.rank !== 1 || weight.numel !== channels))
    throw new TilegradError(
      'ERR_SHAPE',
      `prelu: weight must have 1 element or one for each of ${channels} channels but has shape [${weight.shape.join(', ')}]`,
    );
  return parametric(x, reshape(weight, weight.numel === 1 ? [] : [channels, ...x.shape.slice(2).map(() => 1)]));
}

const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;

const exponential = unaryWith(
  'elu',
  byInput(
    inputGrad('elu_input_grad', (x, attrs) => {
      const { alpha, scale, input_scale } = attrs as { alpha: number; scale: number; input_scale: number };
      const low = mul(exp(mul(minimum(x, 0), input_scale)), alpha * scale * input_scale ** 2);
      return where(gt(x, 0), 0, low);
    }),
    (graph, { inputs, attrs }) => {
      const { alpha, scale } = attrs as { alpha: number; scale: number };
      if (scale !== 1) return graph.node('Selu', inputs, { alpha, gamma: scale });
      return graph.node(attrs.input_scale === 1 ? 'Elu' : 'Celu', inputs, { alpha });
    },
  ),
);

/** x where it is positive, else `alpha` (e^x - 1). Default: 1. As torch.nn.functional.elu. */
export function elu(x: Tensor, options: { alpha?: number | undefined } = {}): Tensor {
  checkOptions('elu', options, ['alpha']);
  return exponential(x, { alpha: options.alpha ?? 1, scale: 1, input_scale: 1 });
}

/** ELU scaled so that it keeps mean 0 and variance 1. As torch.nn.functional.selu. */
export function selu(x: Tensor): Tensor {
  return exponential(x, { alpha: seluAlpha, scale: seluScale, input_scale: 1 });
}

/** x where it is positive, else `alpha` (e^(x / alpha) - 1). Default: 1. As torch.nn.functional.celu. */
export function celu(x: Tensor, options: { alpha?: number | undefined } = {}): Tensor {
  checkOptions('celu', options, ['alpha']);
  const { alpha = 1 } = options;
  if (!(alpha !== 0)) throw new TilegradError('ERR_ARGUMENT', 'celu: alpha must not be 0');
  return exponential(x, { alpha, scale: 1, input_scale: 1 / alpha });
}

// d sigmoid = y (1 - y) of sigmoid's output y.
const sigmoidInputGrad = inputGrad('sigmoid_input_grad', (y) => sub(1, mul(y, 2)));

/** 1 / (1 + e^-x). As torch.sigmoid. */
export const sigmoid = unary('sigmoid', {
  saves: { outputs: [0] },
  grad: (ctx, dout): Grads => [sigmoidInputGrad(dout, ctx.output(0))],
  onnx: 'Sigmoid',
});

/** log(sigmoid(x)), exact on both sides. As torch.nn.functional.logsigmoid. */
export const logsigmoid = unary('logsigmoid', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [mul(dout, sigmoid(neg(ctx.input(0))))],
  onnx: (graph, { inputs }) => graph.node('Neg', [graph.node('Softplus', [graph.node('Neg', inputs)])]),
});

/** The slope of sigmoid at x. */
function sigmoidSlope(x: Tensor): Tensor {
  const s = sigmoid(x);
  return mul(s, sub(1, s));
}

const soft = unaryWith(
  'softplus',
  byInput(
    inputGrad('softplus_input_grad', (x, { beta, threshold }) => {
      const z = mul(x, beta as number);
      return where(le(z, threshold as number), mul(sigmoidSlope(z), beta as number), 0);
    }),
    (graph, { inputs, inputMeta, attrs }) => {
      if (attrs.beta === 1) return graph.node('Softplus', inputs);
      const beta = graph.constant([attrs.beta as number], inputMeta[0]?.dtype, []);
      return graph.node('Div', [graph.node('Softplus', [graph.node('Mul', [inputs[0] as string, beta])]), beta]);
    },
  ),
);

/**
 * log(1 + e^(beta x)) / beta, and x itself where beta x is above `threshold`. Defaults: 1 and 20. As
 * torch.nn.functional.softplus.
 */
export function softplus(
  x: Tensor,
  options: { beta?: number | undefined; threshold?: number | undefined } = {},
): Tensor {
  checkOptions('softplus', options, ['beta', 'threshold']);
  return soft(x, { beta: options.beta ?? 1, threshold: options.threshold ?? 20 });
}

const normalDensity = (x: Tensor): Tensor => mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

const geluErf = unary(
  'gelu',
  byInput(
    inputGrad('gelu_input_grad', (x) => mul(normalDensity(x), sub(2, square(x)))),
    (graph, { inputs }) => graph.node('Gelu', inputs),
  ),
);

const cubic = 0.044715;
const twoSqrt2OverPi = 2 * Math.sqrt(2 / Math.PI);

// x s(z) with z = k (x + c x^3): 2 s' z' + x (s'' z'^2 + s' z'').
const geluTanh = unary(
  'gelu_tanh',
  byInput(
    inputGrad('gelu_tanh_input_grad', (x) => {
      const z = mul(x, add(mul(square(x), cubic * twoSqrt2OverPi), twoSqrt2OverPi));
      const s = sigmoid(z);
      const slope = mul(s, sub(1, s));
      const dz = add(mul(square(x), 3 * cubic * twoSqrt2OverPi), twoSqrt2OverPi);
      const ddz = mul(x, 6 * cubic * twoSqrt2OverPi);
      const curve = add(mul(mul(slope, sub(1, mul(s, 2))), square(dz)), mul(slope, ddz));
      return add(mul(mul(slope, dz), 2), mul(x, curve));
    }),
    (graph, { inputs }) => graph.node('Gelu', inputs, { approximate: 'tanh' }),
  ),
);

/**
 * x times the share of the normal distribution below x; `approximate: 'tanh'` takes 0.5 x (1 + tanh(sqrt(2 / pi) (x +
 * 0.044715 x^3))) for it. As torch.nn.functional.gelu.
 */
export function gelu(x: Tensor, options: { approximate?: 'none' | 'tanh' | undefined } = {}): Tensor {
  checkOptions('gelu', options, ['approximate']);
  const { approximate = 'none' } = options;
  if (approximate !== 'none' && approximate !== 'tanh')
    throw new TilegradError('ERR_ARGUMENT', `gelu: approximate must be 'none' or 'tanh' but is '${approximate}'`);
  return approximate === 'tanh' ? geluTanh(x) : geluErf(x);
}

/** x * sigmoid(x), also called swish. As torch.nn.functional.silu. */
export const silu = unary(
  'silu',
  byInput(
    inputGrad('silu_input_grad', (x) => {
      const s = sigmoid(x);
      return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2));
    }),
    (graph, { inputs }) => graph.node('Mul', [inputs[0] as string, graph.node('Sigmoid', inputs)]),
  ),
);

// x t with t = tanh(softplus(x)): 2 t' + x t'', t' = (1 - t^2) s.
const mishSecond = (x: Tensor): Tensor => {
  const s = sigmoid(x);
  const t = tanh(softplus(x));
  const below = sub(1, square(t));
  const slope = mul(below, s);
  const curve = sub(mul(slope, sub(1, s)), mul(mul(mul(t, slope), s), 2));
  return add(mul(slope, 2), mul(x, curve));
};

/** x * tanh(softplus(x)). As torch.nn.functional.mish. */
export const mish = unary('mish', byInput(inputGrad('mish_input_grad', mishSecond), 'Mish'));

/** 0 up to -3, 1 from 3 on, x / 6 + 1 / 2 between. As torch.nn.functional.hardsigmoid. */
export const hardsigmoid = unary(
  'hardsigmoid',
  byInput(inputGrad('hardsigmoid_input_grad', null), (graph, { inputs }) =>
    graph.node('HardSigmoid', inputs, { alpha: 1 / 6, beta: 0.5 }),
  ),
);

/** x * hardsigmoid(x). As torch.nn.functional.hardswish. */
export const hardswish = unary(
  'hardswish',
  byInput(
    inputGrad('hardswish_input_grad', (x) => mul(cast(lt(abs(x), 3), x.dtype), 1 / 3)),
    'HardSwish',
  ),
);

/** x / (1 + |x|). As torch.nn.functional.softsign. */
export const softsign = unary('softsign', {
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => [div(dout, square(add(abs(ctx.input(0)), 1)))],
  onnx: 'Softsign',
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link relu}. */
    relu(): Tensor<S>;
    /** {@link relu6}. */
    relu6(): Tensor<S>;
    /** {@link leakyRelu}. */
    leakyRelu(options?: { negativeSlope?: number | undefined }): Tensor<S>;
    /** {@link sigmoid}. */
    sigmoid(): Tensor<S>;
    /** {@link logsigmoid}. */
    logsigmoid(): Tensor<S>;
    /** {@link gelu}. */
    gelu(options?: { approximate?: 'none' | 'tanh' | undefined }): Tensor<S>;
    /** {@link silu}. */
    silu(): Tensor<S>;
  }
}

attach({ relu, relu6, leakyRelu, sigmoid, logsigmoid, gelu, silu });
