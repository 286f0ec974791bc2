// Activations along a dimension, and those with weights.
import { checkOptions } from '../error.ts';
import { logSoftmax, prelu, softmax } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { glu, softmin } from './functional/activation.ts';
import { constant_ } from './init.ts';
import { checkSize } from './linear.ts';
import type { SameFlow } from './flow.ts';
import { Module, SameShape } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

abstract class Along extends Module {
  readonly dim: number;

  /** `dim` is the last by default. */
  constructor(dim = -1) {
    super();
    this.dim = dim;
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** exp(x) over its sum along `dim`. As torch.nn.Softmax. */
export class Softmax extends Along {
  declare readonly _flow: SameFlow;
  forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
}

/** The softmax of -x along `dim`. As torch.nn.Softmin. */
export class Softmin extends Along {
  declare readonly _flow: SameFlow;
  forward(x: Tensor): Tensor {
    return softmin(x, this.dim);
  }
}

/** The logarithm of the softmax along `dim`. As torch.nn.LogSoftmax. */
export class LogSoftmax extends Along {
  declare readonly _flow: SameFlow;
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }
}

/** The first half along `dim` times the sigmoid of the second. As torch.nn.GLU. */
export class GLU extends Along {
  forward(x: Tensor): Tensor {
    return glu(x, this.dim);
  }
}

/** Options of `PReLU`. */
export interface PReLUOptions extends PlaceOptions {
  /** What the weights begin with. Default: 0.25. */
  readonly init?: number | undefined;
}

/** x where positive, else weight times x, with one weight or one for each of `numParameters` channels. As torch.nn.PReLU. */
export class PReLU extends SameShape {
  readonly weight: Parameter;

  constructor(numParameters = 1, options: PReLUOptions = {}) {
    super();
    checkOptions('PReLU', options, ['init', ...placeOptions]);
    checkSize('PReLU', 'numParameters', numParameters);
    this.weight = constant_(zeroParameter([numParameters], options), options.init ?? 0.25);
  }

  forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }

  override extraRepr(): string {
    return `numParameters=${this.weight.numel}`;
  }
}
