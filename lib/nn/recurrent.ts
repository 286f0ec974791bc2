// Recurrent layers.
import { checkOptions, TilegradError } from '../error.ts';
import { zeros } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { gru, lstm, type RecurrentOptions, rnnRelu, rnnTanh } from './functional/recurrent.ts';
import { uniform_ } from './init.ts';
import { checkSize } from './linear.ts';
import { Module } from './module.ts';
import { Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Options of `GRU` and `LSTM`, and of `RNN` with its activation. */
export interface RecurrentLayerOptions extends PlaceOptions {
  /** Layers on top of one another. Default: 1. */
  readonly numLayers?: number | undefined;
  /** Whether there are biases. Default: true. */
  readonly bias?: boolean | undefined;
  /** Sequences are (N, T, ...) instead of (T, N, ...). Default: false. */
  readonly batchFirst?: boolean | undefined;
  /** Chance of dropping an output between layers, in training. Default: 0. */
  readonly dropout?: number | undefined;
  /** A second direction in each layer, from the end. Default: false. */
  readonly bidirectional?: boolean | undefined;
}

const optionNames = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional', ...placeOptions];

abstract class Recurrent<State, Output> extends Module<[Tensor, State?], Output> {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly hasBiases: boolean;
  /** The weights in the order that the functions take them; fields under PyTorch's names hold them too. */
  readonly #weights: () => Tensor[];

  constructor(
    gates: number,
    inputSize: number,
    hiddenSize: number,
    options: RecurrentLayerOptions,
    more: readonly string[] = [],
  ) {
    super();
    const user = this.constructor.name;
    checkOptions(user, options, [...optionNames, ...more]);
    checkSize(user, 'inputSize', inputSize);
    checkSize(user, 'hiddenSize', hiddenSize);
    checkSize(user, 'numLayers', options.numLayers ?? 1);
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = options.numLayers ?? 1;
    this.bidirectional = options.bidirectional ?? false;
    this.batchFirst = options.batchFirst ?? false;
    this.dropout = options.dropout ?? 0;
    this.hasBiases = options.bias ?? true;
    if (!(this.dropout >= 0 && this.dropout <= 1))
      throw new TilegradError('ERR_ARGUMENT', `${user}: dropout must be from 0 to 1 but is ${this.dropout}`);
    const fields = this as unknown as Record<string, Parameter>;
    const names: string[] = [];
    const directions = this.bidirectional ? ['', '_reverse'] : [''];
    for (let layer = 0; layer < this.numLayers; layer++)
      for (const side of directions) {
        const width = layer === 0 ? inputSize : hiddenSize * directions.length;
        const shapes: [string, Shape][] = [
          ['weight_ih', [gates * hiddenSize, width]],
          ['weight_hh', [gates * hiddenSize, hiddenSize]],
        ];
        if (this.hasBiases) shapes.push(['bias_ih', [gates * hiddenSize]], ['bias_hh', [gates * hiddenSize]]);
        for (const [kind, shape] of shapes) {
          const name = `${kind}_l${layer}${side}`;
          fields[name] = zeroParameter(shape, options);
          names.push(name);
        }
      }
    this.#weights = () => names.map((name) => fields[name] as Tensor);
    this.resetParameters();
  }

  /** Draws new initial values, uniform within 1 / sqrt(hiddenSize). */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const weight of this.#weights()) if (weight instanceof Parameter) uniform_(weight, -bound, bound);
  }

  protected get weights(): Tensor[] {
    return this.#weights();
  }

  protected get settings(): RecurrentOptions {
    const { numLayers, hasBiases, bidirectional, batchFirst, dropout, training } = this;
    return { numLayers, hasBiases, bidirectional, batchFirst, dropout, training };
  }

  /** A state of zeros for the input. */
  protected zeroState(x: Tensor): Tensor {
    const directions = this.bidirectional ? 2 : 1;
    const batch = x.shape[this.batchFirst ? 0 : 1] ?? 0;
    return zeros([this.numLayers * directions, batch, this.hiddenSize], { dtype: x.dtype, device: x.device });
  }

  override extraRepr(): string {
    const { inputSize, hiddenSize, numLayers, bidirectional, batchFirst, dropout, hasBiases } = this;
    const settings = [`${inputSize}, ${hiddenSize}`];
    if (numLayers > 1) settings.push(`numLayers=${numLayers}`);
    if (!hasBiases) settings.push('bias=false');
    if (batchFirst) settings.push('batchFirst=true');
    if (dropout > 0) settings.push(`dropout=${dropout}`);
    if (bidirectional) settings.push('bidirectional=true');
    return settings.join(', ');
  }
}

/**
 * Long short-term memory over x (T, N, inputSize): outputs (T, N, directions * hiddenSize) and the last [h, c], each
 * (layers * directions, N, hiddenSize). The first state is zero by default. As torch.nn.LSTM.
 */
export class LSTM extends Recurrent<readonly [Tensor, Tensor], [output: Tensor, state: [Tensor, Tensor]]> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(4, inputSize, hiddenSize, options);
  }

  forward(x: Tensor, state?: readonly [Tensor, Tensor]): [output: Tensor, state: [Tensor, Tensor]] {
    return tidy(() => {
      const first = state ?? ([this.zeroState(x), this.zeroState(x)] as const);
      const [output, h, c] = lstm(x, first, this.weights, this.settings);
      return [output, [h, c]];
    });
  }
}

/** Gated recurrent unit: outputs and the last h, shaped as of {@link LSTM}. As torch.nn.GRU. */
export class GRU extends Recurrent<Tensor, [output: Tensor, h: Tensor]> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  forward(x: Tensor, h?: Tensor): [output: Tensor, h: Tensor] {
    return tidy(() => gru(x, h ?? this.zeroState(x), this.weights, this.settings));
  }
}

/** Options of `RNN`. */
export interface RNNOptions extends RecurrentLayerOptions {
  /** Default: 'tanh'. */
  readonly nonlinearity?: 'tanh' | 'relu' | undefined;
}

/** The plain recurrence h = tanh(W x + b + U h + c): outputs and the last h, shaped as of {@link LSTM}. As torch.nn.RNN. */
export class RNN extends Recurrent<Tensor, [output: Tensor, h: Tensor]> {
  readonly nonlinearity: 'tanh' | 'relu';

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    super(1, inputSize, hiddenSize, options, ['nonlinearity']);
    this.nonlinearity = options.nonlinearity ?? 'tanh';
    if (this.nonlinearity !== 'tanh' && this.nonlinearity !== 'relu')
      throw new TilegradError(
        'ERR_ARGUMENT',
        `RNN: nonlinearity must be 'tanh' or 'relu' but is '${this.nonlinearity}'`,
      );
  }

  forward(x: Tensor, h?: Tensor): [output: Tensor, h: Tensor] {
    const run = this.nonlinearity === 'tanh' ? rnnTanh : rnnRelu;
    return tidy(() => run(x, h ?? this.zeroState(x), this.weights, this.settings));
  }
}
