import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SafetensorsFile, writeSafetensors } from '../../lib/io/safetensors_file.ts';
import { writeFileWhole } from '../../lib/io/write_file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tilegrad-io-'));
});
afterEach(() => rm(folder, { recursive: true }));

const weight = { dtype: 'f32', shape: [2], data: new Uint8Array(Float32Array.of(1, 2).buffer) } as const;

describe('SafetensorsFile', () => {
  it('reads single tensors of a file', async () => {
    const path = join(folder, 'm.safetensors');
    const wide = { ...weight, shape: [1, 2] };
    await writeSafetensors(path, Object.entries({ w: weight, v: wide }), [['epoch', '5']]);
    const file = await SafetensorsFile.open(path);
    expect([...file.header.entries.keys()]).toEqual(['v', 'w']);
    expect(file.header.metadata.get('epoch')).toBe('5');
    expect(await file.read('w')).toEqual(weight);
    await expect(file.read('x')).rejects.toThrow('safetensors: m.safetensors: has no tensor "x"');
    await file.close();
  });

  it('says what is wrong with a file and lets go of it', async () => {
    await expect(SafetensorsFile.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(SafetensorsFile.open(folder)).rejects.toMatchObject({ code: 'ERR_IO' });
    await writeFile(join(folder, 'short'), 'abc');
    await expect(SafetensorsFile.open(join(folder, 'short'))).rejects.toThrow('short: is 3 bytes long, too short');
  });

  it('notices a file that shrinks while it is open', async () => {
    const path = join(folder, 'm');
    await writeSafetensors(path, [['w', weight]]);
    const file = await SafetensorsFile.open(path);
    await truncate(path, 20);
    await expect(file.read('w')).rejects.toThrow('the file became shorter while it was read');
    await file.close();
  });
});

describe('writeFileWhole', () => {
  it('replaces a file and leaves nothing beside it', async () => {
    const path = join(folder, 'f');
    await writeFileWhole(path, [Buffer.from('first')]);
    await writeFileWhole(path, [Buffer.from('se'), Buffer.alloc(0), Buffer.from('cond')]);
    expect(await readFile(path, 'utf8')).toBe('second');
    expect(await readdir(folder)).toEqual(['f']);
  });

  it('leaves the old file whole when writing fails half way', async () => {
    const path = join(folder, 'f');
    await writeFileWhole(path, [Buffer.from('old')]);
    function* broken(): Generator<Uint8Array> {
      yield Buffer.from('new');
      throw new Error('no more');
    }
    await expect(writeFileWhole(path, broken())).rejects.toThrow(`cannot write ${path}: no more`);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['f']);
  });

  it('names the folder that is missing, or in the way', async () => {
    await expect(writeFileWhole(join(folder, 'no', 'f'), [])).rejects.toMatchObject({ code: 'ERR_IO' });
    await mkdir(join(folder, 'taken'));
    await expect(writeFileWhole(join(folder, 'taken'), [])).rejects.toThrow(/cannot write .*taken: E/);
    expect(await readdir(folder)).toEqual(['taken']);
  });
});
