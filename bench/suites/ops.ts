// The samples of test/ops/*.ts that are for timing.
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Device, type Tensor, tensor, tidy } from 'tilegrad';
import type { InputSpec, OpRows, Sample } from '../../test/support/op_rows.ts';
import type { BenchRow, BenchSuite } from '../suite.ts';

const folder = new URL('../../test/ops/', import.meta.url);

function input(spec: InputSpec, seed: number, device: Device): Tensor {
  const dtype = spec.dtype ?? 'f32';
  const whole = dtype.startsWith('i') || dtype === 'u8' || dtype === 'bool';
  const [low, high] = spec.range ?? (dtype === 'bool' ? [0, 1] : dtype === 'u8' ? [0, 9] : whole ? [-9, 9] : [-2, 2]);
  const count = spec.shape.reduce((n, size) => n * size, 1);
  let state = seed + 1;
  const values = Array.from({ length: count }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const drawn = spec.values?.[i] ?? low + (state / 2 ** 32) * (high - low + (whole ? 1 : 0));
    return whole ? Math.floor(drawn) : drawn;
  });
  return tensor(values, { shape: spec.shape, dtype, device });
}

// Functions of torch on the same tensors.
const torchFunctions = new Set(
  [
    'abs acos acosh add asin asinh atan atan2 atanh ceil cos cosh div eq erf erfc exp exp2 expm1 floor fmax fmin ge gt',
    'hardsigmoid hardswish le log log10 log1p log2 logsigmoid lt maximum minimum mish mul ne neg reciprocal relu relu6',
    'round rsqrt selu sigmoid sign silu sin sinh softplus sqrt square sub tan tanh trunc sum softmax gelu',
  ].flatMap((line) => line.split(' ')),
);

function benchRow(op: OpRows<unknown>, sample: Sample<unknown>): BenchRow {
  const shapes = sample.inputs.map((spec) => (spec ? spec.shape.join('x') : '-')).join(' ');
  const attrs = sample.attrs === undefined ? '' : ` ${JSON.stringify(sample.attrs)}`;
  const count = (spec: InputSpec | null) => spec?.shape.reduce((n, size) => n * size, 1) ?? 0;
  return {
    name: sample.name ? `${op.name} ${sample.name}` : `${op.name} ${shapes}${attrs}`,
    bytes: 4 * sample.inputs.reduce((n, spec) => n + count(spec), 0),
    prepare: (device) => {
      const inputs = sample.inputs.map((spec, i) => spec && input(spec, i, device));
      return () => tidy(() => void op.call(inputs, sample.attrs));
    },
    // Attributes that are all true only say which operands are tensors.
    ...(torchFunctions.has(op.name) &&
    (sample.attrs === undefined || Object.values(sample.attrs as object).every((value) => value === true)) &&
    sample.inputs.every((spec) => spec && !spec.dtype)
      ? { torch: { kind: 'function', name: op.name, shapes: sample.inputs.map((spec) => spec?.shape) } }
      : {}),
  };
}

async function rows(): Promise<BenchRow[]> {
  const found: BenchRow[] = [];
  if (!existsSync(fileURLToPath(folder))) return found;
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.js')) continue;
    const { default: exported } = (await import(new URL(file, folder).href)) as {
      default: OpRows<unknown> | OpRows<unknown>[];
    };
    for (const op of [exported].flat())
      for (const sample of [...op.samples.filter(({ bench }) => bench), ...(op.timed ?? [])])
        found.push(benchRow(op, sample));
  }
  return found;
}

export const ops: BenchSuite = { name: 'ops', rows };
