import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeIdx, parseIdx, readIdx } from '../../lib/data/idx.ts';
import { TilegradError } from '../../lib/error.ts';

function idx(shape: number[], data: Uint8Array, type = 8): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  for (const [i, dim] of shape.entries()) header.writeUInt32BE(dim, 4 + 4 * i);
  return Buffer.concat([header, data]);
}

const pixels = Uint8Array.from({ length: 2 * 3 * 4 }, (_, i) => (i * 37) & 255);
const plain = idx([2, 3, 4], pixels);

describe('parseIdx', () => {
  it('reads shape and bytes', () => {
    const { shape, data } = parseIdx(plain, 'a', { rank: 3 });
    expect(shape).toEqual([2, 3, 4]);
    expect(Array.from(data)).toEqual(Array.from(pixels));
  });

  it('reads an array without elements', () => {
    expect(parseIdx(idx([0, 28, 28], new Uint8Array(0))).shape).toEqual([0, 28, 28]);
  });

  const wrong: [string, Uint8Array, RegExp][] = [
    [
      'no IDX magic',
      Buffer.from('PNG and more'),
      /idx: f: is not an IDX file: magic is 0x504e4720, expected 0x00000803/,
    ],
    ['unknown type', idx([1, 1, 1], new Uint8Array(1), 7), /is not an IDX file: magic is 0x00000703/],
    [
      'other rank',
      idx([4], new Uint8Array(4)),
      /has 1 dimensions \(magic 0x00000801\), expected 3 \(magic 0x00000803\)/,
    ],
    ['rank 0', Uint8Array.of(0, 0, 8, 0), /has 0 dimensions, expected 1 to 8/],
    [
      'short',
      plain.subarray(0, plain.length - 5),
      /shape \[2,3,4\] needs 24 bytes.*there are 19 bytes: 5 bytes are missing/,
    ],
    ['long', Buffer.concat([plain, Buffer.alloc(3)]), /there are 27 bytes: 3 bytes follow/],
    ['cut header', plain.subarray(0, 9), /ends inside the header, after 9 bytes/],
    ['empty', new Uint8Array(0), /ends inside the header, after 0 bytes/],
    ['huge', idx([2 ** 31, 2 ** 31, 2 ** 31], new Uint8Array(0)), /more than the limit of 1,073,741,824 bytes/],
  ];
  it.each(wrong)('refuses %s', (_name, bytes, text) => {
    expect(() => parseIdx(bytes, 'f', { rank: 3 })).toThrow(text);
    expect(() => parseIdx(bytes, 'f', { rank: 3 })).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });

  it('names elements that it does not read', () => {
    const floats = idx([1], new Uint8Array(4), 13);
    expect(() => parseIdx(floats, 'f')).toThrow(/holds 32-bit floats, only unsigned bytes are read/);
    expect(() => parseIdx(floats, 'f')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});

describe('decodeIdx', () => {
  const packed = gzipSync(plain);

  it('opens gzip', async () => {
    expect(Array.from((await decodeIdx(packed)).data)).toEqual(Array.from(pixels));
  });

  it('opens a gzip file of several members', async () => {
    const members = Buffer.concat([gzipSync(plain.subarray(0, 7)), gzipSync(plain.subarray(7))]);
    expect(Array.from((await decodeIdx(members)).data)).toEqual(Array.from(pixels));
  });

  it('refuses every truncation, compressed and plain', async () => {
    for (let n = 0; n < packed.length; n++) {
      await expect(decodeIdx(packed.subarray(0, n)), `gzip cut to ${n}`).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
    for (let n = 0; n < plain.length; n++) {
      await expect(decodeIdx(plain.subarray(0, n)), `cut to ${n}`).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
  });

  it('refuses bytes after the gzip stream, zero or not', async () => {
    for (const tail of [Buffer.alloc(3), Buffer.from('xyz'), Buffer.from([0x1f])]) {
      await expect(decodeIdx(Buffer.concat([packed, tail]))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
  });

  it('refuses a stream longer than its shape before it is all inflated', async () => {
    const bomb = gzipSync(Buffer.concat([idx([10], new Uint8Array(10)), Buffer.alloc(1 << 26)]));
    const before = process.memoryUsage().arrayBuffers;
    await expect(decodeIdx(bomb, 'bomb.gz')).rejects.toThrow(/bomb.gz: goes on after the 18 bytes/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 24);
  });

  it('refuses a shape that the compressed bytes cannot hold, before memory is taken', async () => {
    const liar = gzipSync(idx([1000, 1000, 1000], new Uint8Array(8)));
    await expect(decodeIdx(liar, 'liar.gz')).rejects.toThrow(/liar.gz: .* of gzip cannot hold the 1,000,000,016 bytes/);
  });

  it('ends in a value or a TilegradError for any change of bytes', async () => {
    const change = fc.record({ at: fc.nat(packed.length - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), fc.boolean(), async (changes, compressed) => {
        const bytes = Uint8Array.from(compressed ? packed : plain);
        for (const { at, to } of changes) bytes[at % bytes.length] = to;
        try {
          const { shape, data } = await decodeIdx(bytes, 'f', { maxBytes: 1 << 20 });
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(TilegradError);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('readIdx', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilegrad-idx-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('reads a file and names it in errors', async () => {
    await writeFile(join(folder, 'images.gz'), gzipSync(plain));
    await writeFile(join(folder, 'cut.gz'), gzipSync(plain).subarray(0, 20));
    expect((await readIdx(join(folder, 'images.gz'), { rank: 3 })).shape).toEqual([2, 3, 4]);
    await expect(readIdx(join(folder, 'cut.gz'))).rejects.toThrow(/^idx: cut.gz: the gzip stream is cut short/);
  });

  it('says which file is missing, or no file', async () => {
    await expect(readIdx(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(readIdx(join(folder, 'none'))).rejects.toThrow(/cannot read .*none: ENOENT/);
    await expect(readIdx(folder)).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('refuses a file over the limit without reading it', async () => {
    await writeFile(join(folder, 'big'), Buffer.alloc(4096));
    await expect(readIdx(join(folder, 'big'), { maxBytes: 100 })).rejects.toThrow(
      /4,096 bytes long, more than the limit/,
    );
  });
});
