// Quantisation, integer products and pruning masks computed by PyTorch. See DESIGN on TILEGRAD_GOLDENS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { int8Matmul, type Tensor, tensor } from 'tilegrad';
import { describe, expect, it } from 'vitest';
import { parseSafetensors } from '../../lib/io/safetensors.ts';

interface Case {
  id: string;
  group: string;
  file: string;
  attrs: Record<string, unknown>;
  abs_tol: Record<string, number>;
}
type Outputs = Record<string, Tensor>;

const scalar = (value: unknown, dtype: 'i32' | 'f32'): Tensor => tensor(value as number, { dtype });

function zeroPoint(name: string, attrs: Case['attrs'], x: Record<string, Tensor>): Tensor {
  return x[name] ?? scalar(attrs[name], 'i32');
}

/** What a case computes, by group. */
const groups: Record<string, (attrs: Case['attrs'], x: Record<string, Tensor>) => Outputs> = {
  int8_gemm: (attrs, x) => ({
    acc: int8Matmul(x.a as Tensor, x.b as Tensor, {
      aZeroPoint: zeroPoint('a_zero_point', attrs, x),
      bZeroPoint: zeroPoint('b_zero_point', attrs, x),
    }),
  }),
};

const folder = process.env.TILEGRAD_GOLDENS;
const cases: Case[] = folder
  ? readFileSync(join(folder, 'quant-prune', 'manifest.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Case)
  : [];

describe.skipIf(!folder)(
  `PyTorch quantisation and pruning${folder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)'}`,
  () => {
    it.for(cases.map((c) => [c.id, c] as const))('%s', async ([, c], { skip }) => {
      const forward = groups[c.group];
      if (!forward) return skip(`unsupported: ${c.group}`);
      const { tensors } = parseSafetensors(readFileSync(join(folder as string, 'quant-prune', c.file)));
      const inputs: Record<string, Tensor> = {};
      for (const [name, { dtype, shape, data }] of tensors)
        if (name.startsWith('in.')) inputs[name.slice(3)] = load(dtype, shape, data);
      for (const [name, got] of Object.entries(forward(c.attrs, inputs))) {
        const { dtype, shape, data } = tensors.get(`out.${name}`) as NonNullable<ReturnType<typeof tensors.get>>;
        const want = await load(dtype, shape, data).data();
        expect(got.shape, name).toEqual(shape);
        const values = await got.data();
        const tolerance = c.abs_tol[name] as number;
        for (let i = 0; i < want.length; i++)
          if (Math.abs(Number(values[i]) - Number(want[i])) > tolerance)
            expect.fail(`${name}[${i}] is ${values[i]} and should be ${want[i]} within ${tolerance}`);
      }
    });
  },
);

function load(dtype: Tensor['dtype'], shape: readonly number[], data: Uint8Array): Tensor {
  const { buffer } = Uint8Array.from(data);
  const arrays = {
    f32: Float32Array,
    f64: Float64Array,
    i64: BigInt64Array,
    i32: Int32Array,
    i8: Int8Array,
    u8: Uint8Array,
  };
  const type = arrays[dtype as keyof typeof arrays];
  return tensor(new type(buffer), { shape, dtype });
}
