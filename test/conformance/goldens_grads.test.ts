// Forward values and gradients computed by PyTorch in f64, for the groups whose ops exist. See DESIGN on TILEGRAD_GOLDENS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { conv2d, matmul, type Tensor, tensor } from 'tilegrad';
import { describe, expect, it } from 'vitest';
import { parseSafetensors } from '../../lib/io/safetensors.ts';

interface Case {
  id: string;
  group: string;
  file: string;
  attrs: Record<string, never>;
  inputs: string[];
  outputs: string[];
  grads: string[];
  douts: string[];
  torch: string;
  abs_tol: Record<string, number>;
}

/** What the case computes; undefined where an op that it needs does not exist. */
function forward({ group, torch, attrs }: Case, x: Record<string, Tensor>): Tensor | undefined {
  const a = x as { x: Tensor; weight: Tensor; bias?: Tensor; w: Tensor };
  if (group === 'conv2d' && !torch.includes('F.pad')) return conv2d(a.x, a.weight, { bias: a.bias ?? null, ...attrs });
  if (torch === 'torch.matmul(x, w)') return matmul(a.x, a.w);
  if (torch === 'torch.matmul(x, x)') return matmul(a.x, a.x);
  if (torch === 'torch.matmul(x.transpose(-1, -2), w.transpose(-1, -2))')
    return matmul(a.x.transpose(-1, -2), a.w.transpose(-1, -2));
  return undefined;
}

const folder = process.env.TILEGRAD_GOLDENS;
const groups = ['conv2d', 'matmul'];
const cases: Case[] = folder
  ? readFileSync(join(folder, 'grads', 'manifest.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Case)
      .filter((c) => groups.includes(c.group))
  : [];

describe.skipIf(!folder)(`PyTorch goldens${folder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)'}`, () => {
  it.for(cases.map((c) => [c.id, c] as const))('%s', async ([, c], { skip }) => {
    const { tensors } = parseSafetensors(readFileSync(join(folder as string, 'grads', c.file)));
    const numbers = (name: string): Float32Array | Float64Array => {
      const { dtype, data } = tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>;
      const bytes = Uint8Array.from(data).buffer;
      return dtype === 'f64' ? new Float64Array(bytes) : new Float32Array(bytes);
    };
    const load = (name: string): Tensor => tensor(numbers(name), { shape: tensors.get(name)?.shape });
    const inputs = Object.fromEntries(
      c.inputs.map((name) => [name, load(`in.${name}`).requiresGrad_(c.grads.includes(name))]),
    );
    const out = forward(c, inputs);
    if (!out) return skip(`unsupported: ${c.torch}`);
    const output = c.outputs[0] as string;
    out.backward(load(`dout.${output}`));
    const got: Record<string, Tensor | null | undefined> = { [`out.${output}`]: out };
    for (const name of c.grads) got[`grad.${name}`] = inputs[name]?.grad;
    for (const [name, value] of Object.entries(got)) {
      const expected = numbers(name);
      const actual = (await (value as Tensor).data()) as Float32Array;
      expect(actual.length).toBe(expected.length);
      let worst = 0;
      expected.forEach((e, i) => {
        worst = Math.max(worst, Number.isNaN(actual[i] as number) ? Infinity : Math.abs((actual[i] as number) - e));
      });
      expect(worst, name).toBeLessThanOrEqual(c.abs_tol[name] as number);
    }
  });
});
