// Real safetensors files with their expected contents: names, dtypes, shapes and the SHA-256 of each tensor's bytes.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSafetensors, safetensorsDtypes, serializeSafetensors } from '../../lib/io/safetensors.ts';
import { SafetensorsFile } from '../../lib/io/safetensors_file.ts';

interface Expected {
  readonly must_fail: boolean;
  readonly tensors: { path: string[]; dtype: keyof typeof safetensorsDtypes; shape: number[]; sha256: string }[];
}

const folder = process.env.TILEGRAD_LOADER_FILES;
const files = folder ? readdirSync(folder).filter((name) => name.endsWith('.safetensors')) : [];
const reason = folder ? `no .safetensors files in ${folder}` : 'TILEGRAD_LOADER_FILES is not set';

describe.skipIf(files.length === 0)(
  `safetensors files of others${files.length === 0 ? ` (skipped: ${reason})` : ''}`,
  () => {
    it.each(files)('%s', async (name) => {
      const path = join(folder as string, name);
      const expected = JSON.parse(readFileSync(`${path}.expected.json`, 'utf8')) as Expected;
      if (expected.must_fail) {
        await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
        return;
      }
      const file = await SafetensorsFile.open(path);
      expect([...file.header.entries.keys()].sort()).toEqual(expected.tensors.map((t) => t.path.join('.')).sort());
      for (const tensor of expected.tensors) {
        const { dtype, shape, data } = await file.read(tensor.path.join('.'));
        expect({ dtype, shape }).toEqual({ dtype: safetensorsDtypes[tensor.dtype].dtype, shape: tensor.shape });
        expect(createHash('sha256').update(data).digest('hex')).toBe(tensor.sha256);
      }
      await file.close();
    });

    it.each(files)('%s is written and read again', (name) => {
      const { tensors, metadata } = parseSafetensors(readFileSync(join(folder as string, name)), name);
      const again = parseSafetensors(Buffer.concat(serializeSafetensors(tensors, metadata)));
      expect(again.metadata).toEqual(metadata);
      for (const [key, tensor] of tensors) expect(Buffer.compare(again.tensors.get(key)!.data, tensor.data)).toBe(0);
    });
  },
);
