// Recurrent networks over sequences. All steps' inputs meet their weights in one product.
import { checkOptions, TilegradError } from '../../error.ts';
import { add, cast, concat, dropout as drop, linear, select, stack, transpose, unsqueeze } from '../../ops/index.ts';
import { type RecurrentAttrs, recurrentLayer } from '../../ops/recurrent.ts';
import type { Tensor } from '../../tensor.ts';

/** Options of the recurrent functions. */
export interface RecurrentOptions {
  /** Layers on top of one another. Default: 1. */
  readonly numLayers?: number | undefined;
  /** Whether the weights have biases. Default: true. */
  readonly hasBiases?: boolean | undefined;
  /** A second direction in each layer, from the end. Default: false. */
  readonly bidirectional?: boolean | undefined;
  /** Sequences are (N, T, ...) instead of (T, N, ...). Default: false. */
  readonly batchFirst?: boolean | undefined;
  /** Chance of dropping an output between layers, in training. Default: 0. */
  readonly dropout?: number | undefined;
  /** Default: false. */
  readonly training?: boolean | undefined;
}

const optionNames = ['numLayers', 'hasBiases', 'bidirectional', 'batchFirst', 'dropout', 'training'];

type Cell = RecurrentAttrs['cell'];

interface Direction {
  output: Tensor;
  last: Tensor[];
}

/** Floats of 16 bits are computed in f32 and rounded once. */
function inFloat32(
  x: Tensor,
  first: readonly Tensor[],
  weights: readonly (Tensor | undefined)[],
  cell: Cell,
  reverse: boolean,
): Direction {
  const { dtype } = x;
  const wide = <T extends Tensor | undefined>(y: T): T => (y?.dtype === dtype ? (cast(y, 'f32') as T) : y);
  const { output, last } = direction(wide(x), first.map(wide), weights.map(wide), cell, reverse);
  return { output: cast(output, dtype), last: last.map((state) => cast(state, dtype)) };
}

/** One direction of one layer: x (T, N, I) to outputs (T, N, H) and the last state. */
function direction(
  x: Tensor,
  first: readonly Tensor[],
  weights: readonly (Tensor | undefined)[],
  cell: Cell,
  reverse: boolean,
): Direction {
  if (x.dtype === 'f16' || x.dtype === 'bf16') return inFloat32(x, first, weights, cell, reverse);
  const [inputWeight, hiddenWeight, inputBias = null, hiddenBias = null] = weights as [
    Tensor,
    Tensor,
    Tensor?,
    Tensor?,
  ];
  // Both biases meet in one sum; but a GRU resets what the hidden one gives to the new state.
  const joined = cell !== 'gru' && inputBias && hiddenBias;
  const parts = linear(x, inputWeight, joined ? add(inputBias, hiddenBias) : inputBias); // (T, N, G H)
  const [h0, c0 = null] = first as [Tensor, Tensor?];
  const state = { h: h0, c: c0 };
  const { h, c } = recurrentLayer(parts, state, hiddenWeight, joined ? null : hiddenBias, { cell, reverse });
  const end = reverse ? 0 : -1;
  return { output: h, last: [h, ...(c ? [c] : [])].map((states) => select(states, 0, end)) };
}

const oneOrStack = (list: Tensor[]): Tensor => (list.length === 1 ? unsqueeze(list[0] as Tensor, 0) : stack(list));

/** All layers. `states` are (layers * directions, N, H) each. */
function recurrent(
  user: string,
  input: Tensor,
  states: readonly Tensor[],
  weights: readonly Tensor[],
  cell: Cell,
  options: RecurrentOptions,
): Tensor[] {
  checkOptions(user, options, optionNames);
  const { numLayers = 1, hasBiases = true, bidirectional = false, batchFirst = false } = options;
  const { dropout = 0, training = false } = options;
  const directions = bidirectional ? 2 : 1;
  const count = hasBiases ? 4 : 2;
  if (weights.length !== count * directions * numLayers)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${user}: ${numLayers} layers of ${directions} directions need ${count * directions * numLayers} weights but have ${weights.length}`,
    );
  if (input.rank !== 3 || input.numel === 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `${user}: the input must have 3 dimensions and elements but is [${input.shape.join(', ')}]`,
    );
  let x = batchFirst ? transpose(input, 0, 1) : input;
  const last: Tensor[][] = states.map(() => []);
  for (let layer = 0; layer < numLayers; layer++) {
    const parts: Tensor[] = [];
    for (let side = 0; side < directions; side++) {
      const k = layer * directions + side;
      const first = states.map((state) => select(state, 0, k));
      const run = direction(x, first, weights.slice(k * count, (k + 1) * count), cell, side === 1);
      parts.push(run.output);
      run.last.forEach((state, i) => {
        (last[i] as Tensor[]).push(state);
      });
    }
    x = parts.length === 1 ? (parts[0] as Tensor) : concat(parts, 2);
    if (dropout > 0 && layer < numLayers - 1) x = drop(x, dropout, { training });
  }
  return [batchFirst ? transpose(x, 0, 1) : x, ...last.map(oneOrStack)];
}

/**
 * LSTM over x (T, N, I) from the states [h, c], each (layers * directions, N, H): outputs (T, N, directions * H) and the last
 * h and c. `weights` are, for each layer and direction, input (4 H, I), hidden (4 H, H) and both biases, gates in the
 * order input, forget, cell, output. As torch.lstm.
 */
export function lstm(
  x: Tensor,
  states: readonly [Tensor, Tensor],
  weights: readonly Tensor[],
  options: RecurrentOptions = {},
): [output: Tensor, h: Tensor, c: Tensor] {
  return recurrent('lstm', x, states, weights, 'lstm', options) as [Tensor, Tensor, Tensor];
}

/**
 * GRU over x (T, N, I) from the state h (layers * directions, N, H): outputs and the last h. Weights as of {@link lstm}, with
 * gates reset, update, new. As torch.gru.
 */
export function gru(
  x: Tensor,
  h: Tensor,
  weights: readonly Tensor[],
  options: RecurrentOptions = {},
): [output: Tensor, h: Tensor] {
  return recurrent('gru', x, [h], weights, 'gru', options) as [Tensor, Tensor];
}

/** h becomes tanh(W x + b + U h + c): outputs and the last h. Weights as of {@link lstm}, one gate. As torch.rnn_tanh. */
export function rnnTanh(
  x: Tensor,
  h: Tensor,
  weights: readonly Tensor[],
  options: RecurrentOptions = {},
): [output: Tensor, h: Tensor] {
  return recurrent('rnnTanh', x, [h], weights, 'tanh', options) as [Tensor, Tensor];
}

/** {@link rnnTanh} with relu. As torch.rnn_relu. */
export function rnnRelu(
  x: Tensor,
  h: Tensor,
  weights: readonly Tensor[],
  options: RecurrentOptions = {},
): [output: Tensor, h: Tensor] {
  return recurrent('rnnRelu', x, [h], weights, 'relu', options) as [Tensor, Tensor];
}
