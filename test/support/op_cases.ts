// One row at one dtype on one device: its samples as inputs, and calls of its function that leave no tensor behind.
import { type DeviceName, type DType, device as deviceOf, memory, noGrad, Scope, Tensor } from 'tilegrad';
import { isFloat, roundTo } from './floats.ts';
import type { Output } from './judge.ts';
import { numelOf } from './ndarray.ts';
import type { NdArray, OpRows, Sample } from './op_rows.ts';
import { type Layout, placed, read } from './placed.ts';
import { type Input, makeInput, seeded } from './seeded.ts';

/** Rows whose attributes the generator only hands on. */
export type AnyRows = OpRows<unknown>;

export interface Case {
  row: AnyRows;
  sample: Sample<unknown>;
  name: string;
  dtype: DType;
  device: DeviceName;
  inputs: readonly (Input | null)[];
}

export const titleOf = (row: AnyRows): string => row.title ?? row.name;

function sampleName({ name, inputs, attrs }: Sample<unknown>): string {
  if (name !== undefined) return name;
  const shapes = inputs.map((spec) => (spec ? `[${spec.shape.join(', ')}]` : 'none')).join(' ');
  return attrs === undefined ? shapes : `${shapes} ${JSON.stringify(attrs)}`;
}

const meantFor = (row: AnyRows, sample: Sample<unknown>, dtype: DType): boolean =>
  (sample.dtypes ?? row.dtypes).includes(dtype);

export const hasSamples = (row: AnyRows, dtype: DType): boolean =>
  row.samples.some((sample) => meantFor(row, sample, dtype));

/** The samples of a row that are meant for the dtype. */
export function casesOf(row: AnyRows, dtype: DType, device: DeviceName): Case[] {
  return row.samples.flatMap((sample, s) => {
    if (!meantFor(row, sample, dtype)) return [];
    const inputs = sample.inputs.map((spec, i) => spec && makeInput(spec, dtype, `${titleOf(row)} ${s} ${i}`));
    return [{ row, sample, name: sampleName(sample), dtype, device, inputs }];
  });
}

export const allFinite = (inputs: readonly (Input | null)[]): boolean =>
  inputs.every((x) => !x || x.data.every((value) => Number.isFinite(value)));

export const numelOfAll = (inputs: readonly (NdArray | null)[]): number =>
  inputs.reduce((n, x) => n + (x ? numelOf(x.shape) : 0), 0);

/** Made for timing: of such samples the suite takes no more than it must. */
export const isLarge = (c: Case): boolean => numelOfAll(c.inputs) > 1e5;

/** Whether a gradient is asked for the input. */
export const wantsGrad = (x: Input | null): boolean => x !== null && isFloat(x.dtype) && x.spec.grad !== false;

export const asksGradient = (c: Case): boolean => c.inputs.some(wantsGrad);

const asList = <T extends object>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? x : [x as T]);

/** The reference's outputs: true values, or those of the naive loop in the dtype's compute precision. */
export function reference({ row, sample, dtype }: Case, inputs: readonly (Input | null)[], naive = false): NdArray[] {
  const precision = dtype === 'f64' ? 'f64' : 'f32';
  const round = naive ? (x: number) => roundTo(precision, x) : (x: number) => x;
  const result = row.reference(inputs, sample.attrs, round);
  return [...asList<NdArray>(result)];
}

/** Runs synchronous `fn` and frees the tensors that it made, but not what a recorded graph saved. */
export function inScope<R>(fn: () => R): R {
  const scope = new Scope();
  try {
    return scope.run(fn);
  } finally {
    scope.dispose();
  }
}

/** Runs synchronous `fn` and frees the tensors that it made. Throws if tensors or bytes are left afterwards. */
export function leavingNothing<R>(device: DeviceName, fn: () => R): R {
  const place = deviceOf(device);
  place.syncBlocking();
  const before = memory(device);
  const result = inScope(fn);
  place.syncBlocking();
  const after = memory(device);
  // Finalizers of earlier garbage may run in between, so that fewer can be left but never more.
  const [tensors, bytes] = [after.liveTensors - before.liveTensors, after.liveBytes - before.liveBytes];
  if (tensors > 0 || bytes > 0) throw new Error(`leaves ${tensors} tensors and ${bytes} bytes behind`);
  return result;
}

/** The tensors of a case in a layout, with gradients asked for those in `grads`. */
export function place(c: Case, layout: Layout, inputs = c.inputs, grads: ReadonlySet<number> = new Set()) {
  return inputs.map((x, i) => x && placed(x, i, layout, c.device).requiresGrad_(grads.has(i)));
}

export function callRow(c: Case, inputs: readonly (Tensor | null)[]): Tensor[] {
  const outputs = asList<Tensor>(c.row.call(inputs, c.sample.attrs));
  outputs.forEach((output, i) => {
    if (!(output instanceof Tensor)) throw new Error(`output ${i} is no tensor`);
  });
  return [...outputs];
}

/** The outputs of one call without gradients. */
export function run(c: Case, layout: Layout = 'plain', inputs = c.inputs): Output[] {
  return leavingNothing(c.device, () => noGrad(() => callRow(c, place(c, layout, inputs)).map(read)));
}

/** An incoming gradient of an output: of magnitude 0.25 to 1.25, so that sums of products do not vanish by chance. */
export function weightsOf(c: Case, { shape, dtype }: { shape: readonly number[]; dtype: DType }, seed: string): Input {
  const random = seeded(`${titleOf(c.row)} ${c.name} ${seed}`);
  const value = () => (random() < 0.5 ? -1 : 1) * (0.25 + random());
  const data = Float64Array.from({ length: numelOf(shape) }, value).map((x) => roundTo(dtype, x));
  return { shape, data, dtype, spec: { shape } };
}
