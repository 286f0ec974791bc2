// Values and gradients computed by PyTorch in f64: each case's expression is evaluated with tilegrad's functions. A case whose
// function does not exist is skipped and says which. See DESIGN on TILEGRAD_GOLDENS.
import { grad, Tensor, TilegradError } from 'tilegrad';
import { afterAll, describe, expect, it } from 'vitest';
import {
  asTensor,
  difference,
  type Golden,
  goldensFolder,
  readGoldens,
  readManifest,
  skippedWords,
} from '../support/goldens.ts';
import { evaluate } from '../support/python_evaluate.ts';
import { semantics, torchNames, Unsupported } from '../support/torch_names.ts';

interface Case {
  id: string;
  group: string;
  file: string;
  attrs: Record<string, unknown>;
  inputs: string[];
  outputs: string[];
  grads: string[];
  douts: string[];
  torch: string;
  abs_tol: Record<string, number>;
}

/** The outputs by name. */
function forward(c: Case, inputs: Record<string, Tensor>): Record<string, Tensor> {
  const result = evaluate(c.torch, { ...torchNames, ...inputs, a: c.attrs }, semantics);
  const list = Array.isArray(result) ? result.flat(9) : [result];
  return Object.fromEntries(
    c.outputs.map((name, i) => {
      if (!(list[i] instanceof Tensor)) throw new Error(`output ${name} is no tensor`);
      return [name, list[i]];
    }),
  );
}

/** Why tilegrad cannot run the case; throws every other error. */
function unsupported(error: unknown): string {
  if (error instanceof Unsupported) return error.message;
  if (error instanceof TilegradError && error.code === 'ERR_UNSUPPORTED') return error.message;
  if (error instanceof TilegradError && error.message.includes('cast one of them')) return 'promotion of dtypes';
  throw error;
}

/** The faults of a case, or why it is not supported. */
async function run(c: Case): Promise<{ faults: string[] } | { unsupported: string }> {
  const goldens = readGoldens('grads', c.file);
  const golden = (name: string): Golden => {
    const found = goldens.get(name);
    if (!found) throw new Error(`${c.file} has no ${name}`);
    return found;
  };
  const inputs = Object.fromEntries(
    c.inputs.map((name) => [name, asTensor(golden(`in.${name}`)).requiresGrad_(c.grads.includes(name))]),
  );
  const got: Record<string, Tensor> = {};
  try {
    const outputs = forward(c, inputs);
    for (const [name, output] of Object.entries(outputs)) got[`out.${name}`] = output;
    const leaves = c.grads.map((name) => inputs[name]!);
    const gradOutputs = c.douts.map((name) => asTensor(golden(`dout.${name}`)));
    if (leaves.length > 0) {
      const results = grad(
        c.douts.map((name) => outputs[name]!),
        leaves,
        { gradOutputs },
      );
      c.grads.forEach((name, i) => {
        got[`grad.${name}`] = results[i]!;
      });
    }
  } catch (error) {
    return { unsupported: unsupported(error) };
  }
  const faults: string[] = [];
  for (const [name, value] of Object.entries(got)) {
    const fault = await difference(value, golden(name), c.abs_tol[name] ?? 0);
    if (fault) faults.push(`${name} ${fault}`);
  }
  return { faults };
}

const cases = readManifest<Case>('grads');

describe.skipIf(!goldensFolder)(`PyTorch goldens of values and gradients${skippedWords}`, () => {
  const verdicts: Record<'passed' | 'failed' | 'unsupported', string[]> = { passed: [], failed: [], unsupported: [] };

  it.for(cases.map((c) => [c.id, c] as const))('%s', async ([id, c], { skip }) => {
    let verdict: Awaited<ReturnType<typeof run>>;
    try {
      verdict = await run(c);
    } catch (error) {
      verdicts.failed.push(id);
      throw error;
    }
    if ('unsupported' in verdict) {
      verdicts.unsupported.push(`${id} (${verdict.unsupported})`);
      return skip(`unsupported: ${verdict.unsupported}`);
    }
    verdicts[verdict.faults.length > 0 ? 'failed' : 'passed'].push(id);
    expect(verdict.faults).toEqual([]);
  });

  afterAll(() => {
    for (const [verdict, ids] of Object.entries(verdicts))
      console.log(`goldens/grads ${verdict}: ${ids.length}\n  ${ids.join('\n  ')}`);
  });
});
