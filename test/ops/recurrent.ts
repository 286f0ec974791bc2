// recurrent and recurrent_grad, as nn.functional.lstm, gru, rnnTanh and rnnRelu call them.
import { nn, zeros } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, ndarray, type Sample } from '../support/op_rows.ts';

interface Attrs {
  bidirectional?: boolean;
  batchFirst?: boolean;
}
type Cell = 'lstm' | 'gru' | 'tanh' | 'relu';
type Round = (x: number) => number;

const gateCounts = { lstm: 4, gru: 3, tanh: 1, relu: 1 };

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** row of the matrix w (rows, k) times x, plus the bias. */
function product(
  w: NdArray,
  row: number,
  x: ArrayLike<number>,
  bias: NdArray | null | undefined,
  round: Round,
): number {
  const k = w.shape[1]!;
  let sum = 0;
  for (let i = 0; i < k; i++) sum = round(sum + round(w.data[row * k + i]! * x[i]!));
  return bias ? round(sum + bias.data[row]!) : sum;
}

/** h and c behind one step of one sample; the gates' sums come from `input` and `state`, by gate and unit. */
function step(
  cell: Cell,
  hidden: number,
  input: (row: number) => number,
  state: (row: number) => number,
  h: readonly number[],
  c: readonly number[],
  round: Round,
): [h: number[], c: number[]] {
  const [nextH, nextC]: [number[], number[]] = [[], []];
  for (let j = 0; j < hidden; j++) {
    const sum = (gate: number): number => round(input(gate * hidden + j) + state(gate * hidden + j));
    if (cell === 'tanh' || cell === 'relu') {
      nextH[j] = round(cell === 'tanh' ? Math.tanh(sum(0)) : Math.max(sum(0), 0));
    } else if (cell === 'lstm') {
      const [i, f, g, o] = [sigmoid(sum(0)), sigmoid(sum(1)), Math.tanh(sum(2)), sigmoid(sum(3))].map(round);
      nextC[j] = round(round(f! * c[j]!) + round(i! * g!));
      nextH[j] = round(o! * round(Math.tanh(nextC[j]!)));
    } else {
      const [r, z] = [sigmoid(sum(0)), sigmoid(sum(1))].map(round);
      const part = round(r! * state(2 * hidden + j));
      const n = round(Math.tanh(round(input(2 * hidden + j) + part)));
      nextH[j] = round(n + round(z! * round(h[j]! - n)));
    }
  }
  return [nextH, nextC];
}

const reference =
  (cell: Cell) =>
  (
    given: readonly (NdArray | null)[],
    { bidirectional = false, batchFirst = false }: Attrs = {},
    round: Round = (v) => v,
  ): readonly NdArray[] => {
    const [x, h0] = given as [NdArray, NdArray];
    const lstm = cell === 'lstm';
    const c0 = lstm ? given[2]! : null;
    const weights = given.slice(lstm ? 3 : 2);
    const [steps, batch] = (batchFirst ? [x.shape[1]!, x.shape[0]!] : x.shape) as [number, number];
    const [features, hidden] = [x.shape[2]!, h0.shape[2]!];
    const directions = bidirectional ? 2 : 1;
    const output = new Float64Array(steps * batch * directions * hidden);
    const last = [new Float64Array(directions * batch * hidden), new Float64Array(directions * batch * hidden)];
    for (let side = 0; side < directions; side++)
      for (let n = 0; n < batch; n++) {
        const [wi, wh, bi, bh] = weights.slice(side * 4, side * 4 + 4) as [NdArray, NdArray, NdArray?, NdArray?];
        const at = (side * batch + n) * hidden;
        let h = Array.from(h0.data.slice(at, at + hidden));
        let c = c0 ? Array.from(c0.data.slice(at, at + hidden)) : [];
        for (let i = 0; i < steps; i++) {
          const t = side === 1 ? steps - 1 - i : i;
          const row = batchFirst ? n * steps + t : t * batch + n;
          const features_ = x.data.subarray(row * features, (row + 1) * features);
          const before = h;
          [h, c] = step(
            cell,
            hidden,
            (gate) => product(wi, gate, features_, bi, round),
            (gate) => product(wh, gate, before, bh, round),
            h,
            c,
            round,
          );
          h.forEach((value, j) => {
            output[(row * directions + side) * hidden + j] = value;
          });
        }
        h.forEach((value, j) => {
          last[0]![at + j] = value;
        });
        c.forEach((value, j) => {
          last[1]![at + j] = value;
        });
      }
    const outputShape = [...x.shape.slice(0, 2), directions * hidden];
    const states = last.slice(0, lstm ? 2 : 1).map((data) => ndarray(h0.shape, (i) => data[i]!));
    return [ndarray(outputShape, (i) => output[i]!), ...states];
  };

const of = (...shape: number[]): InputSpec => ({ shape });
const small = (...shape: number[]): InputSpec => ({ shape, range: [-0.3, 0.3] });
const still = (spec: InputSpec): InputSpec => ({ ...spec, grad: false });

/** Inputs of one layer: x, states, weights of each direction. */
function inputs(cell: Cell, x: InputSpec, batch: number, hidden: number, directions = 1, bias = true): InputSpec[] {
  const gates = gateCounts[cell] * hidden;
  const states = Array<InputSpec>(cell === 'lstm' ? 2 : 1).fill(of(directions, batch, hidden));
  const biases = bias ? [of(gates), of(gates)] : [];
  const one = [small(gates, x.shape[2]!), small(gates, hidden), ...biases];
  return [x, ...states, ...Array.from({ length: directions }, () => one).flat()];
}

const samples = (cell: Cell): Sample<Attrs>[] => [
  { name: '3 steps of 2', inputs: inputs(cell, of(3, 2, 2), 2, 3) },
  { name: 'one step, no bias', inputs: inputs(cell, of(1, 3, 2), 3, 2, 1, false) },
  {
    name: 'two directions, batch first',
    inputs: inputs(cell, of(2, 3, 2), 2, 2, 2),
    attrs: { bidirectional: true, batchFirst: true },
  },
  { name: '4 steps of 35, 19 units', inputs: inputs(cell, of(4, 35, 5), 35, 19).map(still) },
  { name: '3 steps of 33, 96 units', inputs: inputs(cell, of(3, 33, 3), 33, 96).map(still) },
  { name: '2 steps of 20, 70 units', inputs: inputs(cell, of(2, 20, 3), 20, 70).map(still) },
  { name: '3 steps of 6, 64 units', inputs: inputs(cell, of(3, 6, 3), 6, 64).map(still) },
  { name: '3 steps of 1, 150 units', inputs: inputs(cell, of(3, 1, 3), 1, 150).map(still) },
];

const timed = (cell: Cell): Sample<Attrs>[] => [
  { name: '50 steps of 32, 128 units', inputs: inputs(cell, of(50, 32, 128), 32, 128) },
];

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;
const settings = ({ length }: { length: number }, perSide: number, attrs: Attrs = {}) => ({
  ...attrs,
  hasBiases: length % (4 * perSide) === 0,
});

export default [
  defineRows<Attrs>({
    name: 'recurrent',
    title: 'lstm',
    covers: ['recurrent_grad'],
    dtypes,
    family: 'accumulating',
    call: ([x, h, c, ...weights], attrs) =>
      nn.functional.lstm(x!, [h!, c!], weights as never, settings(weights, attrs?.bidirectional ? 2 : 1, attrs)),
    reference: reference('lstm'),
    samples: samples('lstm'),
    timed: timed('lstm'),
    errors: [
      {
        name: 'a state of another size',
        run: () => {
          const [wi, wh, state] = [zeros([8, 3]), zeros([8, 2]), zeros([1, 5, 3])];
          return nn.functional.lstm(zeros([4, 5, 3]), [state, state], [wi, wh], { hasBiases: false });
        },
        code: 'ERR_SHAPE',
        message: "recurrent: the inputs' part must have shape [4, 5, 12] but has [4, 5, 8]",
      },
      {
        name: 'a weight of another size',
        run: () => {
          const [wi, wh, state] = [zeros([8, 3]), zeros([8, 3]), zeros([1, 5, 2])];
          return nn.functional.lstm(zeros([4, 5, 3]), [state, state], [wi, wh], { hasBiases: false });
        },
        code: 'ERR_SHAPE',
        message: 'recurrent: weight must have shape [8, 2] but has [8, 3]',
      },
      {
        name: 'states of different dtypes',
        run: () => {
          const [wi, wh, state] = [zeros([8, 3]), zeros([8, 2]), zeros([1, 5, 2], { dtype: 'f64' })];
          return nn.functional.lstm(zeros([4, 5, 3]), [state, state], [wi, wh], { hasBiases: false });
        },
        code: 'ERR_DTYPE',
        message: "recurrent: the inputs' part is f32 but another input is f64; cast one of them",
      },
    ],
  }),
  defineRows<Attrs>({
    name: 'recurrent',
    title: 'gru',
    dtypes,
    family: 'accumulating',
    call: ([x, h, ...weights], attrs) =>
      nn.functional.gru(x!, h!, weights as never, settings(weights, attrs?.bidirectional ? 2 : 1, attrs)),
    reference: reference('gru'),
    samples: samples('gru'),
    timed: timed('gru'),
  }),
  ...(['tanh', 'relu'] as const).map((cell) =>
    defineRows<Attrs>({
      name: 'recurrent',
      title: `rnn ${cell}`,
      dtypes,
      family: 'accumulating',
      call: ([x, h, ...weights], attrs) => {
        const run = cell === 'tanh' ? nn.functional.rnnTanh : nn.functional.rnnRelu;
        return run(x!, h!, weights as never, settings(weights, attrs?.bidirectional ? 2 : 1, attrs));
      },
      reference: reference(cell),
      samples: samples(cell),
      timed: timed(cell),
    }),
  ),
];
