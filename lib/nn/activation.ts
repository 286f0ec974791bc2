// Activation functions as layers.
import { checkOptions } from '../error.ts';
import {
  celu,
  elu,
  gelu,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logsigmoid,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
  tanh,
} from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { hardshrink, softshrink, tanhshrink, threshold } from './functional/activation.ts';
import { SameShape } from './module.ts';

/** max(x, 0). As torch.nn.ReLU. */
export class ReLU extends SameShape {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** x between 0 and 6. As torch.nn.ReLU6. */
export class ReLU6 extends SameShape {
  forward(x: Tensor): Tensor {
    return relu6(x);
  }
}

/** 1 / (1 + e^-x). As torch.nn.Sigmoid. */
export class Sigmoid extends SameShape {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** The logarithm of the sigmoid. As torch.nn.LogSigmoid. */
export class LogSigmoid extends SameShape {
  forward(x: Tensor): Tensor {
    return logsigmoid(x);
  }
}

/** The hyperbolic tangent. As torch.nn.Tanh. */
export class Tanh extends SameShape {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x - tanh(x). As torch.nn.Tanhshrink. */
export class Tanhshrink extends SameShape {
  forward(x: Tensor): Tensor {
    return tanhshrink(x);
  }
}

/** x sigmoid(x). As torch.nn.SiLU. */
export class SiLU extends SameShape {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x tanh(softplus(x)). As torch.nn.Mish. */
export class Mish extends SameShape {
  forward(x: Tensor): Tensor {
    return mish(x);
  }
}

/** x / (1 + |x|). As torch.nn.Softsign. */
export class Softsign extends SameShape {
  forward(x: Tensor): Tensor {
    return softsign(x);
  }
}

/** The sigmoid in three straight lines. As torch.nn.Hardsigmoid. */
export class Hardsigmoid extends SameShape {
  forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

/** x hardsigmoid(x). As torch.nn.Hardswish. */
export class Hardswish extends SameShape {
  forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/** {@link ELU} whose outputs keep mean 0 and variance 1 (Klambauer et al. 2017). As torch.nn.SELU. */
export class SELU extends SameShape {
  forward(x: Tensor): Tensor {
    return selu(x);
  }
}

/** An activation with settings. */
abstract class Adjustable<O extends object> extends SameShape {
  readonly options: Readonly<O>;

  constructor(options: O, known: readonly (keyof O & string)[]) {
    super();
    checkOptions(this.constructor.name, options, known);
    this.options = { ...options };
  }

  override extraRepr(): string {
    return Object.entries(this.options)
      .map(([name, value]) => `${name}=${value}`)
      .join(', ');
  }
}

/** x where positive, else `negativeSlope` (0.01) times x. As torch.nn.LeakyReLU. */
export class LeakyReLU extends Adjustable<{ negativeSlope?: number | undefined }> {
  constructor(options: { negativeSlope?: number | undefined } = {}) {
    super(options, ['negativeSlope']);
  }

  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.options);
  }
}

/** x where positive, else `alpha` (1) times e^x - 1. As torch.nn.ELU. */
export class ELU extends Adjustable<{ alpha?: number | undefined }> {
  constructor(options: { alpha?: number | undefined } = {}) {
    super(options, ['alpha']);
  }

  forward(x: Tensor): Tensor {
    return elu(x, this.options);
  }
}

/** x where positive, else `alpha` (1) times e^(x / alpha) - 1. As torch.nn.CELU. */
export class CELU extends Adjustable<{ alpha?: number | undefined }> {
  constructor(options: { alpha?: number | undefined } = {}) {
    super(options, ['alpha']);
  }

  forward(x: Tensor): Tensor {
    return celu(x, this.options);
  }
}

/** x times the normal distribution's share below x, exact or with `approximate: 'tanh'`. As torch.nn.GELU. */
export class GELU extends Adjustable<{ approximate?: 'none' | 'tanh' | undefined }> {
  constructor(options: { approximate?: 'none' | 'tanh' | undefined } = {}) {
    super(options, ['approximate']);
  }

  forward(x: Tensor): Tensor {
    return gelu(x, this.options);
  }
}

/** log(1 + e^(beta x)) / beta, and x where beta x > `threshold`; 1 and 20 by default. As torch.nn.Softplus. */
export class Softplus extends Adjustable<{ beta?: number | undefined; threshold?: number | undefined }> {
  constructor(options: { beta?: number | undefined; threshold?: number | undefined } = {}) {
    super(options, ['beta', 'threshold']);
  }

  forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }
}

/** x between `minVal` (-1) and `maxVal` (1). As torch.nn.Hardtanh. */
export class Hardtanh extends Adjustable<{ minVal?: number | undefined; maxVal?: number | undefined }> {
  constructor(options: { minVal?: number | undefined; maxVal?: number | undefined } = {}) {
    super(options, ['minVal', 'maxVal']);
  }

  forward(x: Tensor): Tensor {
    return hardtanh(x, this.options);
  }
}

/** x moved towards 0 by `lambd` (0.5), and 0 within it. As torch.nn.Softshrink. */
export class Softshrink extends Adjustable<{ lambd?: number | undefined }> {
  constructor(options: { lambd?: number | undefined } = {}) {
    super(options, ['lambd']);
  }

  forward(x: Tensor): Tensor {
    return softshrink(x, this.options.lambd);
  }
}

/** x where |x| > `lambd` (0.5), else 0. As torch.nn.Hardshrink. */
export class Hardshrink extends Adjustable<{ lambd?: number | undefined }> {
  constructor(options: { lambd?: number | undefined } = {}) {
    super(options, ['lambd']);
  }

  forward(x: Tensor): Tensor {
    return hardshrink(x, this.options.lambd);
  }
}

/** x where x > `limit`, else `value`. As torch.nn.Threshold. */
export class Threshold extends SameShape {
  readonly limit: number;
  readonly value: number;

  constructor(limit: number, value: number) {
    super();
    this.limit = limit;
    this.value = value;
  }

  forward(x: Tensor): Tensor {
    return threshold(x, this.limit, this.value);
  }

  override extraRepr(): string {
    return `limit=${this.limit}, value=${this.value}`;
  }
}
