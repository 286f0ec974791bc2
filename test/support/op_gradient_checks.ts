// Gradients of the rows: against central differences in f64, in other layouts and precisions, and of second order.
import { grad, noGrad, type Tensor } from 'tilegrad';
import { roundingUnit } from './floats.ts';
import { judgeWithin, largestOf, type Output } from './judge.ts';
import {
  allFinite,
  type Case,
  callRow,
  inScope,
  isLarge,
  leavingNothing,
  numelOfAll,
  place,
  wantsGrad,
  weightsOf,
} from './op_cases.ts';
import { type Layout, placed, read } from './placed.ts';
import { type Input, seeded } from './seeded.ts';

/** The step of difference quotients: their error is about 1e-11 times the third derivative, and 1e-11 by rounding. */
const step = 1e-5;
const quotientTolerance = 1e-6;
/** Beyond this many elements only whole directions are tried, beyond it tenfold nothing of second order. */
const manyElements = 4096;

/** The outputs' incoming gradients by output, null for those that have none. */
type Weights = (Input | null)[];

const wantedOf = (c: Case): number[] => c.inputs.flatMap((x, i) => (wantsGrad(x) ? [i] : []));

/** Which outputs have gradients, found by asking; the incoming gradients for them. */
function weightsFor(c: Case): Weights {
  return inScope(() =>
    callRow(c, place(c, 'plain', c.inputs, new Set(wantedOf(c)))).map((output, i) =>
      output.requiresGrad ? weightsOf(c, output, `weights ${i}`) : null,
    ),
  );
}

interface GradientOptions {
  layout?: Layout;
  inputs?: readonly (Input | null)[];
  /** Inputs whose gradients are asked for. Default: all that want one. */
  wanted?: readonly number[];
}

/** The gradients of the weighted sum of outputs, for the wanted inputs in their order. */
export function gradients(c: Case, weights: Weights, options: GradientOptions = {}): Output[] {
  const { layout = 'plain', inputs = c.inputs, wanted = wantedOf(c) } = options;
  return leavingNothing(c.device, () => {
    const tensors = place(c, layout, inputs, new Set(wanted));
    const outputs = callRow(c, tensors);
    const roots = outputs.flatMap((output, i) => (weights[i] && output.requiresGrad ? [i] : []));
    if (roots.length === 0) throw new Error('no output requires a gradient');
    const results = grad(
      roots.map((i) => outputs[i]!),
      wanted.map((i) => tensors[i]!),
      { gradOutputs: roots.map((i) => placed(weights[i]!, i, layout, c.device)), allowUnused: true },
    );
    return results.map((result, k): Output => {
      const input = inputs[wanted[k]!]!;
      if (!result) return zeros(input);
      const values = read(result);
      result.dispose();
      if (values.shape.join() !== input.shape.join() || values.dtype !== input.dtype)
        throw new Error(
          `the gradient of input ${wanted[k]} is ${values.dtype} [${values.shape}], the input ${input.dtype} [${input.shape}]`,
        );
      return values;
    });
  });
}

function zeros({ shape, dtype, data }: Input): Output {
  return { shape, dtype, data: new Float64Array(data.length), bytes: new Uint8Array(0) };
}

/** A way to move an input: one element, or all of them at once. */
interface Direction {
  label: string;
  along: (i: number) => number;
}

function directionsOf(n: number, all: number, seed: string): Direction[] {
  const random = seeded(seed);
  const one = (k: number): Direction => ({ label: `element ${k}`, along: (i) => (i === k ? 1 : 0) });
  const signs = (label: string): Direction => {
    const values = Float64Array.from({ length: n }, () => (random() < 0.5 ? -1 : 1));
    return { label, along: (i) => values[i]! };
  };
  if (n === 0) return [];
  if (n <= 12) return Array.from({ length: n }, (_, k) => one(k));
  const whole = [signs('a random direction'), signs('another random direction')];
  if (all > manyElements) return whole;
  return [...Array.from({ length: 6 }, () => one(Math.floor(random() * n))), ...whole];
}

function moved(x: Input, { along }: Direction, by: number): Input {
  return { ...x, data: x.data.map((value, i) => value + by * along(i)) };
}

/**
 * Compares `analytic` with difference quotients of `values` when input `index` moves. `values` gives several numbers whose
 * sum is differentiated: their differences are taken before they are summed.
 */
function quotientFaults(
  what: string,
  x: Input,
  analytic: Output,
  directions: readonly Direction[],
  values: (x: Input) => Float64Array,
): string[] {
  const faults: string[] = [];
  for (const direction of directions) {
    const [ahead, behind] = [values(moved(x, direction, step)), values(moved(x, direction, -step))];
    let quotient = 0;
    for (let i = 0; i < ahead.length; i++) quotient += ahead[i]! - behind[i]!;
    quotient /= 2 * step;
    const got = analytic.data.reduce((sum, value, i) => sum + value * direction.along(i), 0);
    const moving = x.data.reduce((n, _, i) => n + Math.abs(direction.along(i)), 0);
    const scale = Math.max(largestOf(analytic.data) * Math.sqrt(moving), Math.abs(quotient));
    const allowed = quotientTolerance * scale + 1e-8 * Math.max(1, largestOf(ahead));
    if (!(Math.abs(got - quotient) <= allowed))
      faults.push(
        `${what}, ${direction.label}: got ${got}, the difference quotient is ${quotient} (${allowed} allowed)`,
      );
  }
  return faults;
}

function weightedOutputs(c: Case, weights: Weights, inputs: readonly (Input | null)[]): Float64Array {
  return leavingNothing(c.device, () =>
    noGrad(() => {
      const terms = callRow(c, place(c, 'plain', inputs)).flatMap((output, i) => {
        const weight = weights[i];
        return weight ? Array.from(read(output).data, (value, k) => value * weight.data[k]!) : [];
      });
      return Float64Array.from(terms);
    }),
  );
}

/** In f64: against difference quotients, in other layouts, and asked for one input at a time. */
export function checkGradients(c: Case): string[] {
  const wanted = wantedOf(c);
  const weights = weightsFor(c);
  if (weights.every((weight) => weight === null)) return ['no output requires a gradient'];
  const analytic = gradients(c, weights);
  const near = (what: string, got: readonly Output[], expected: readonly Output[]): string[] =>
    got.flatMap((values, k) => {
      const fault = judgeWithin(values, expected[k]!.data, 1e-11 * Math.max(largestOf(expected[k]!.data), 1e-3));
      return fault ? [`gradient of input ${wanted[k]} with ${what}: ${fault}`] : [];
    });
  const faults = [
    ...near('transposed inputs', gradients(c, weights, { layout: 'transposed' }), analytic),
    ...near('stepped inputs', gradients(c, weights, { layout: 'stepped' }), analytic),
    ...wanted.flatMap((i, k) =>
      near('no other gradient asked', gradients(c, weights, { wanted: [i] }), [analytic[k]!]),
    ),
    ...constantWeightFaults(c, weights),
  ];
  if (c.sample.smooth === false || !allFinite(c.inputs)) return faults;
  const quotients = wanted.flatMap((i, k) => {
    const x = c.inputs[i]!;
    const directions = directionsOf(x.data.length, numelOfAll(c.inputs), `${c.name} ${i}`);
    return quotientFaults(`gradient of input ${i}`, x, analytic[k]!, directions, (at) =>
      weightedOutputs(c, weights, c.inputs.with(i, at)),
    );
  });
  return [...faults, ...quotients];
}

/** An incoming gradient with stride 0, as a sum over the outputs gives it, has the effect of the same one in full. */
function constantWeightFaults(c: Case, weights: Weights): string[] {
  const same = weights.map((weight) => weight && { ...weight, data: weight.data.map(() => 0.75) });
  const inFull = gradients(c, same);
  return leavingNothing(c.device, () => {
    const wanted = wantedOf(c);
    const tensors = place(c, 'plain', c.inputs, new Set(wanted));
    const outputs = callRow(c, tensors).flatMap((output, i) => (same[i] ? [output] : []));
    const gradOutputs = outputs.map((output, i) => {
      const constant = { shape: [], dtype: output.dtype, data: Float64Array.of(0.75), spec: { shape: [] } };
      return noGrad(() => placed(constant, i, 'plain', c.device).expand(output.shape));
    });
    const results = grad(
      outputs,
      wanted.map((i) => tensors[i]!),
      { gradOutputs, allowUnused: true },
    );
    return results.flatMap((result, k) => {
      if (!result) return [];
      const allowed = 1e-11 * Math.max(largestOf(inFull[k]!.data), 1e-3);
      const fault = judgeWithin(read(result), inFull[k]!.data, allowed);
      result.dispose();
      return fault ? [`gradient of input ${wanted[k]} for an expanded incoming gradient: ${fault}`] : [];
    });
  });
}

/** What gradients in a float dtype may miss, of the largest: three times the tolerance of values. */
function precisionOf(c: Case): number {
  if (c.dtype === 'f64') return 3e-11;
  if (c.dtype === 'f32') return 3e-5;
  // Every op on the way rounds to 16 bits.
  return 3 * 4 * roundingUnit(c.dtype);
}

/** On any device in any float dtype: against the gradients on the CPU in f64 at the same values. */
export function checkGradientPrecision(c: Case): string[] {
  if (isLarge(c) || !allFinite(c.inputs)) return [];
  const weights = weightsFor(c);
  const got = gradients(c, weights);
  const widen = (x: Input | null): Input | null => x && (x.dtype === c.dtype ? { ...x, dtype: 'f64' } : x);
  const wide: Case = { ...c, dtype: 'f64', device: 'cpu', inputs: c.inputs.map(widen) };
  // An output whose dtype is an argument, as of cast, is no wider there.
  const wideWeights = weightsFor(wide).map((like, i) => like && { ...weights[i]!, dtype: like.dtype });
  const expected = gradients(wide, wideWeights);
  return got.flatMap((values, k) => {
    const allowed = precisionOf(c) * largestOf(expected[k]!.data);
    const fault = judgeWithin(values, expected[k]!.data, allowed);
    return fault ? [`gradient of input ${wantedOf(c)[k]}: ${fault}`] : [];
  });
}

interface Second {
  /** The gradients' weights, null where a gradient is constant. */
  directions: (Input | null)[];
  byInput: Output[];
  byWeight: Output[];
}

/** The gradient of the weighted sum of gradients, for the inputs and for the incoming gradients. */
function secondGradients(c: Case, weights: Weights, wanted: readonly number[]): Second {
  return inScope(() => secondGradientsInScope(c, weights, wanted));
}

function secondGradientsInScope(c: Case, weights: Weights, wanted: readonly number[]): Second {
  // A graph that leads nowhere is freed by the garbage collector only, so nothing is said about what is left here.
  const tensors = place(c, 'plain', c.inputs, new Set(wanted));
  const outputs = callRow(c, tensors);
  const roots = outputs.flatMap((output, i) => (weights[i] && output.requiresGrad ? [i] : []));
  const incoming = roots.map((i) => placed(weights[i]!, i, 'plain', c.device).requiresGrad_());
  const leaves = wanted.map((i) => tensors[i]!);
  const first = grad(
    roots.map((i) => outputs[i]!),
    leaves,
    { gradOutputs: incoming, createGraph: true, allowUnused: true },
  ) as (Tensor | null)[];
  const directions = first.map((g, k) => (g?.requiresGrad ? weightsOf(c, g, `second ${k}`) : null));
  const moving = first.flatMap((g, k) => (directions[k] ? [g!] : []));
  const sources = [...leaves, ...incoming];
  const results: (Tensor | null)[] =
    moving.length === 0
      ? sources.map(() => null)
      : grad(moving, sources, {
          gradOutputs: directions.flatMap((d, k) => (d ? [placed(d, k, 'plain', c.device)] : [])),
          allowUnused: true,
        });
  const values = results.map((result, k) => {
    const like = k < wanted.length ? c.inputs[wanted[k]!]! : weights[roots[k - wanted.length]!]!;
    if (!result) return zeros(like);
    const output = read(result);
    result.dispose();
    return output;
  });
  return { directions, byInput: values.slice(0, wanted.length), byWeight: values.slice(wanted.length) };
}

/** In f64: the gradient of the gradient against difference quotients of the gradient. */
export function checkSecondOrder(c: Case): string[] {
  if (c.sample.smooth === false || !allFinite(c.inputs) || numelOfAll(c.inputs) > 10 * manyElements) return [];
  const wanted = wantedOf(c);
  const weights = weightsFor(c);
  const { directions, byInput, byWeight } = secondGradients(c, weights, wanted);
  const terms = (inputs: readonly (Input | null)[], at: Weights): Float64Array =>
    Float64Array.from(
      gradients(c, at, { inputs }).flatMap((g, k) =>
        directions[k] ? Array.from(g.data, (value, i) => value * directions[k]!.data[i]!) : [...g.data],
      ),
    );
  const all = numelOfAll(c.inputs);
  const few = (x: Input, seed: string) => directionsOf(x.data.length, all, seed).slice(-6);
  const roots = weights.flatMap((weight, i) => (weight ? [i] : []));
  return [
    ...wanted.flatMap((i, k) => {
      const x = c.inputs[i]!;
      const values = (at: Input) => terms(c.inputs.with(i, at), weights);
      return quotientFaults(`second order, input ${i}`, x, byInput[k]!, few(x, `${c.name} 2 ${i}`), values);
    }),
    ...roots.flatMap((i, k) => {
      const x = weights[i]!;
      const values = (at: Input) => terms(c.inputs, weights.with(i, at));
      return quotientFaults(
        `second order, incoming gradient ${i}`,
        x,
        byWeight[k]!,
        few(x, `${c.name} w ${i}`),
        values,
      );
    }),
  ];
}

/** A gradient without a gradient of its own says so. */
export function checkNoSecondOrder(c: Case): string[] {
  let thrown: unknown;
  try {
    secondGradients(c, weightsFor(c), wantedOf(c));
  } catch (error) {
    thrown = error;
  }
  if ((thrown as { code?: string } | undefined)?.code === 'ERR_UNSUPPORTED') return [];
  return [`a second-order gradient must throw ERR_UNSUPPORTED, but ${thrown ? `threw ${thrown}` : 'gave a result'}`];
}
