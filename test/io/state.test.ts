import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DType, dtypes } from '../../lib/dtype.ts';
import { load, loadMetadata, save } from '../../lib/io/state.ts';
import { noGrad } from '../../lib/autograd.ts';
import { full, zeros } from '../../lib/ops/index.ts';
import { type Tensor, tensor } from '../../lib/tensor.ts';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tilegrad-state-'));
  path = join(folder, 'state.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

describe('save and load', () => {
  it('keep every dtype and shape', async () => {
    const values = (dtype: DType) => (dtype === 'bool' ? [true, false, true, true] : [0, 1, 2, 100]);
    const state: Record<string, Tensor> = { scalar: tensor(2.5), empty: zeros([0, 3]) };
    for (const dtype of dtypes) state[dtype] = tensor(values(dtype), { dtype, shape: [2, 2] });
    await save(path, state, { metadata: { note: 'n' } });
    const read = await load(path);
    expect(Object.keys(read).sort()).toEqual(Object.keys(state).sort());
    for (const [name, { dtype, shape }] of Object.entries(state)) {
      expect([read[name]?.dtype, read[name]?.shape]).toEqual([dtype, shape]);
      expect(await read[name]?.tolist()).toEqual(await state[name]?.tolist());
    }
    expect({ ...(await loadMetadata(path)) }).toEqual({ note: 'n' });
  });

  it('keep the bits of NaNs and subnormal numbers', async () => {
    const bits = Uint32Array.of(0x7fc01234, 0xff800000, 1, 0x80000000);
    await save(path, { x: tensor(new Float32Array(bits.buffer)) });
    const { x } = await load(path);
    expect(new Uint32Array(((await x!.data()) as Float32Array).buffer)).toEqual(bits);
  });

  it('write views as they are seen', async () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).transpose(0, 1);
    await save(path, new Map([['x', x]]));
    expect(await (await load(path)).x!.tolist()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
  });

  it('take the values at the time of the call', async () => {
    const x = full([1000], 1);
    const saved = save(path, { x });
    noGrad(() => x.assign(full([1000], 2)));
    x.dispose();
    await saved;
    expect(((await (await load(path)).x!.data()) as Float32Array)[999]).toBe(1);
  });

  it('read only what is named', async () => {
    await save(path, { a: tensor(1), b: tensor(2) });
    expect(Object.keys(await load(path, { names: ['b'] }))).toEqual(['b']);
    await expect(load(path, { names: ['c'] })).rejects.toThrow('state.safetensors: has no tensor "c"');
  });

  it('say what is wrong', async () => {
    await expect(save(join(folder, 'no', 'file'), { a: tensor(1) })).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(save(path, { a: 3 as unknown as Tensor })).rejects.toThrow('save: "a" is not a tensor');
    const gone = tensor(1);
    gone.dispose();
    await expect(save(path, { gone })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await writeFile(join(folder, 'bad'), 'this is not a file of tensors');
    await expect(load(join(folder, 'bad'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(load(path, { map: 1 } as object)).rejects.toThrow("load: unknown option 'map'");
  });

  it('refuse a rank that tensors do not have', async () => {
    const { writeSafetensors } = await import('../../lib/io/safetensors_file.ts');
    await writeSafetensors(path, [['deep', { dtype: 'u8', shape: new Array(9).fill(1), data: Uint8Array.of(1) }]]);
    await expect(load(path)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });
});
