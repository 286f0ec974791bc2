// One direction of one recurrent layer over all steps, behind the product of the inputs with their weight.
import { isGradEnabled } from '../graph.ts';
import { defineOp, type GradContext, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { relu, sigmoid } from './activations.ts';
import { withOptional } from './arguments.ts';
import { cast } from './cast.ts';
import { gt } from './comparisons.ts';
import { concat, stack } from './concat.ts';
import { add, mul, sub } from './elementwise.ts';
import { full } from './full.ts';
import { tanh } from './math.ts';
import { linear, matmul } from './matmul.ts';
import { like } from './operand.ts';
import { chunk, narrow, unbind } from './parts.ts';
import { sum } from './reduce.ts';
import { reshape, transpose } from './views.ts';

/** Which gates there are, and whether the steps are taken from the last to the first. @internal */
export interface RecurrentAttrs {
  readonly [name: string]: string | boolean;
  readonly cell: 'lstm' | 'gru' | 'tanh' | 'relu';
  readonly reverse: boolean;
}

/** Those of the call: with `gates` its outputs are h, what the gradient reads of the gates and c, else h and c. */
interface CallAttrs extends RecurrentAttrs {
  readonly gates: boolean;
}

/** The first state: h (N, H), of an LSTM also c. @internal */
export interface RecurrentState {
  readonly h: Tensor;
  readonly c: Tensor | null;
}

/**
 * All steps of an LSTM, a GRU or a plain cell from what the inputs give to the gates, x (T, N, gates H), and the first
 * state: h and, of an LSTM, c (T, N, H). The weight (gates H, H) and the bias are those of the hidden state. f32 and f64.
 * @internal
 */
export const recurrentLayer = defineOp('recurrent', {
  call: (run) => (x: Tensor, first: RecurrentState, weight: Tensor, bias: Tensor | null, attrs: RecurrentAttrs) => {
    const inputs = withOptional([x, first.h, weight], [bias, first.c]);
    const gated = attrs.cell === 'lstm' || attrs.cell === 'gru';
    const gates = gated && isGradEnabled() && inputs.some((input) => input?.requiresGrad);
    const [h, ...rest] = run.all(inputs, { ...attrs, gates }) as [Tensor, ...Tensor[]];
    if (gates) (rest.shift() as Tensor).dispose(); // the tape keeps their elements
    return { h, c: rest[0] ?? null };
  },
  saves: { inputs: 'all', outputs: [0, 1, 2] },
  differentiable: [0, 2],
  grad: (ctx, dh: Tensor | null, _gates, dc: Tensor | null = null): Grads => {
    const { cell, reverse } = ctx.attrs as CallAttrs;
    const attrs = { cell, reverse };
    const [x, h, weight] = [ctx.input(0), ctx.input(1), ctx.input(2)];
    const bias = ctx.has(3) ? ctx.input(3) : null;
    const first = { h, c: ctx.has(4) ? ctx.input(4) : null };
    // The kernel's result has no history: to differentiate it again, it is written with ops.
    const [dx, dh0, dpart, dc0, states] = isGradEnabled()
      ? gradients(x, first, weight, bias, dh, dc, attrs)
      : kernelGradients(ctx, first, weight, dh, dc, attrs);
    const dweight = ctx.needs(2) ? matmul(transpose(asRows(dpart)), asRows(before(states, h, reverse))) : null;
    const dbias = bias && ctx.needs(3) ? sum(asRows(dpart), 0) : null;
    return [dx, dh0, dweight, dbias, dc0].slice(0, ctx.inputCount);
  },
  onnx: 'none',
});

type Gradients = [dx: Tensor, dh: Tensor, dpart: Tensor, dc: Tensor | null, states: Tensor];

const layerGrad = defineOp('recurrent_grad', {
  call:
    (run) =>
    (given: Tensor[], rest: readonly (Tensor | null)[], attrs: RecurrentAttrs): Tensor[] =>
      run.all(withOptional(given, rest), attrs),
  grad: 'none',
  onnx: 'none',
});

function kernelGradients(
  ctx: GradContext,
  first: RecurrentState,
  weight: Tensor,
  dh: Tensor | null,
  dc: Tensor | null,
  attrs: RecurrentAttrs,
): Gradients {
  const { cell } = attrs;
  const h = ctx.output(0);
  const gates = cell === 'lstm' || cell === 'gru' ? ctx.output(1) : h;
  const c = cell === 'lstm' ? ctx.output(2) : null;
  const [dx, dh0, rest = null] = layerGrad([gates, weight, first.h, h], [dh, first.c, c, dc], attrs) as [
    Tensor,
    Tensor,
    Tensor?,
  ];
  return [dx, dh0, cell === 'gru' ? (rest as Tensor) : dx, cell === 'lstm' ? rest : null, h];
}

/** All steps of all rows as rows. */
const asRows = (x: Tensor): Tensor => reshape(x, [-1, x.shape[2] as number]);

/** The states that the steps began with. */
function before(states: Tensor, first: Tensor, reverse: boolean): Tensor {
  const steps = states.shape[0] as number;
  const head = reshape(first, [1, ...first.shape]);
  if (steps === 1) return head;
  return concat(reverse ? [narrow(states, 0, 1, steps - 1), head] : [head, narrow(states, 0, 0, steps - 1)]);
}

/** One step taken with ops: the state behind it, and how gradients pass it. */
interface Step {
  h: Tensor;
  c: Tensor | null;
  /** From the gradients of h and c to those of the inputs' and the state's part, and of h and c before. */
  back(dh: Tensor, dc: Tensor | null): { dx: Tensor; dpart: Tensor; dh: Tensor | null; dc: Tensor | null };
}

const complement = (x: Tensor): Tensor => add(mul(x, -1), 1);
/** dy times the slope of a sigmoid whose value is y. */
const sigmoidBack = (dy: Tensor, y: Tensor): Tensor => mul(dy, mul(y, complement(y)));
const tanhBack = (dy: Tensor, y: Tensor): Tensor => mul(dy, complement(mul(y, y)));
const addTo = (x: Tensor, y: Tensor | null): Tensor => (y ? add(x, y) : x);

function lstmStep(x: Tensor, part: Tensor, before_: Tensor): Step {
  const sums = chunk(add(x, part), 4, 1) as [Tensor, Tensor, Tensor, Tensor];
  const [input, forget, output] = [sigmoid(sums[0]), sigmoid(sums[1]), sigmoid(sums[3])];
  const cell = tanh(sums[2]);
  const c = add(mul(forget, before_), mul(input, cell));
  const bent = tanh(c);
  return {
    h: mul(output, bent),
    c,
    back: (dh, dc) => {
      const down = addTo(tanhBack(mul(dh, output), bent), dc);
      const dx = concat(
        [
          sigmoidBack(mul(down, cell), input),
          sigmoidBack(mul(down, before_), forget),
          tanhBack(mul(down, input), cell),
          sigmoidBack(mul(dh, bent), output),
        ],
        1,
      );
      return { dx, dpart: dx, dh: null, dc: mul(down, forget) };
    },
  };
}

function gruStep(x: Tensor, part: Tensor, before_: Tensor): Step {
  const [resetX, updateX, freshX] = chunk(x, 3, 1) as [Tensor, Tensor, Tensor];
  const [resetH, updateH, own] = chunk(part, 3, 1) as [Tensor, Tensor, Tensor];
  const [reset, update] = [sigmoid(add(resetX, resetH)), sigmoid(add(updateX, updateH))];
  const fresh = tanh(add(freshX, mul(reset, own)));
  return {
    h: add(fresh, mul(update, sub(before_, fresh))),
    c: null,
    back: (dh) => {
      const dfresh = tanhBack(mul(dh, complement(update)), fresh);
      const dupdate = sigmoidBack(mul(dh, sub(before_, fresh)), update);
      const dreset = sigmoidBack(mul(dfresh, own), reset);
      return {
        dx: concat([dreset, dupdate, dfresh], 1),
        dpart: concat([dreset, dupdate, mul(dfresh, reset)], 1),
        dh: mul(dh, update),
        dc: null,
      };
    },
  };
}

function plainStep(x: Tensor, part: Tensor, curve: (x: Tensor) => Tensor): Step {
  const h = curve(add(x, part));
  return {
    h,
    c: null,
    back: (dh) => {
      const dx = curve === tanh ? tanhBack(dh, h) : mul(dh, cast(gt(h, 0), h.dtype));
      return { dx, dpart: dx, dh: null, dc: null };
    },
  };
}

function stepOf(cell: RecurrentAttrs['cell'], x: Tensor, part: Tensor, h: Tensor, c: Tensor | null): Step {
  if (cell === 'lstm') return lstmStep(x, part, c as Tensor);
  return cell === 'gru' ? gruStep(x, part, h) : plainStep(x, part, cell === 'tanh' ? tanh : relu);
}

/** What the kernel of recurrent_grad computes, as a function of the inputs that has gradients. */
function gradients(
  x: Tensor,
  first: RecurrentState,
  weight: Tensor,
  bias: Tensor | null,
  dh: Tensor | null,
  dc: Tensor | null,
  { cell, reverse }: RecurrentAttrs,
): Gradients {
  const inputs = unbind(x);
  const at = inputs.map((_, i) => (reverse ? inputs.length - 1 - i : i));
  const steps: Step[] = [];
  let { h, c } = first;
  for (const t of at) {
    const part = linear(h, weight, bias);
    const step = stepOf(cell, inputs[t] as Tensor, part, h, c);
    steps.push(step);
    h = step.h;
    c = step.c;
  }
  const outer = { h: dh && unbind(dh), c: dc && unbind(dc) };
  const zero = full(first.h.shape, 0, like(first.h));
  const [dxs, dparts]: [Tensor[], Tensor[]] = [[], []];
  let [laterH, laterC]: [Tensor, Tensor | null] = [zero, cell === 'lstm' ? zero : null];
  for (let i = steps.length - 1; i >= 0; i--) {
    const t = at[i] as number;
    const passed = (steps[i] as Step).back(
      addTo(laterH, outer.h ? (outer.h[t] as Tensor) : null),
      laterC && addTo(laterC, outer.c ? (outer.c[t] as Tensor) : null),
    );
    dxs[t] = passed.dx;
    dparts[t] = passed.dpart;
    laterH = addTo(matmul(passed.dpart, weight), passed.dh);
    laterC = passed.dc;
  }
  const states: Tensor[] = [];
  at.forEach((t, i) => {
    states[t] = (steps[i] as Step).h;
  });
  return [stack(dxs), laterH, stack(dparts), laterC, stack(states)];
}
