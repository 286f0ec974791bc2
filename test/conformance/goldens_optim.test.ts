// Twenty steps of each optimiser on given gradients against PyTorch's. See DESIGN on TILEGRAD_GOLDENS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { io, nn, optim, Tensor, tensor } from 'tilegrad';
import { describe, expect, it } from 'vitest';

interface Case {
  id: string;
  file: string;
  optimizer: string;
  options: Record<string, unknown>;
  clip: ['norm' | 'norm_inf' | 'value', number] | null;
  groups: Record<string, unknown>[] | null;
  steps: number;
  abs_tol: Record<string, number>;
  state: string[];
}

const folder = process.env.TILEGRAD_GOLDENS;
const cases: Case[] = folder
  ? readFileSync(join(folder, 'optim', 'manifest.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Case)
  : [];

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const camelKeys = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [camel(name), value]));

type Constructor = new (params: object[], options: object) => optim.Optimizer;
const optimizers = optim as unknown as Record<string, Constructor | undefined>;
const { clipGradNorm_, clipGradValue_ } = ((nn as { utils?: object }).utils ?? {}) as Record<
  string,
  undefined | ((params: Tensor[], limit: number, options?: object) => void)
>;

function clip(params: Tensor[], [how, limit]: NonNullable<Case['clip']>): void {
  if (how === 'value') clipGradValue_?.(params, limit);
  else clipGradNorm_?.(params, limit, how === 'norm_inf' ? { normType: Number.POSITIVE_INFINITY } : {});
}

const numbers = (data: ArrayLike<number | bigint>): number[] => Array.from(data, Number);

async function distance(a: Tensor, b: Tensor): Promise<number> {
  const [left, right] = [await a.data(), await b.data()];
  expect(left.length).toBe(right.length);
  return Math.max(...numbers(left).map((value, i) => Math.abs(value - Number(right[i]))));
}

const row = async (source: Tensor, t: number, shape: readonly number[]): Promise<Tensor> => {
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor((await source.data()).slice(t * size, (t + 1) * size), { shape });
};

describe.skipIf(!folder)(`optimiser goldens${folder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)'}`, () => {
  it.for(cases.map((c) => [c.id, c] as const))('%s', async ([, c], { skip }) => {
    const Optimizer = optimizers[c.optimizer];
    if (!Optimizer) return skip(`unsupported: ${c.optimizer}`);
    if (c.clip && !clipGradNorm_) return skip('unsupported: clipping');
    const golden = await io.load(join(folder as string, c.file));
    const names = ['p0', 'p1'];
    const params = names.map((name) => new nn.Parameter(golden[`in.${name}`] as Tensor));
    const options = camelKeys(c.options);
    const groups = c.groups?.map((group, i) => ({ ...camelKeys(group), params: [params[i]] }));
    const optimizer = new Optimizer(groups ?? params, options);
    for (let t = 0; t < c.steps; t++) {
      for (const [i, param] of params.entries())
        param.grad = await row(golden[`in.grads${i}`] as Tensor, t, param.shape);
      if (c.clip) clip(params, c.clip);
      optimizer.step();
      optimizer.zeroGrad();
      for (const [i, param] of params.entries()) {
        const name = `out.p${i}`;
        const expected = await row(golden[name] as Tensor, t, param.shape);
        expect(await distance(param, expected), `${name} after step ${t}`).toBeLessThanOrEqual(
          c.abs_tol[name] as number,
        );
      }
    }
    const { state } = optimizer.stateDict();
    for (const key of c.state) {
      const [, name, field] = key.split('.') as [string, string, string];
      const got = state[names.indexOf(name)]?.[camel(field)];
      const expected = golden[key] as Tensor;
      const value = got instanceof Tensor ? got : tensor([got as number], { shape: expected.shape });
      const size = Math.max(...numbers(await expected.data()).map(Math.abs));
      expect(await distance(value, expected), key).toBeLessThanOrEqual(1e-5 * Math.max(1, size));
    }
  });
});
