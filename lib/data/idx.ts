// IDX, the format of MNIST: two zero bytes, a type byte, the number of dimensions, the dimensions as big-endian u32,
// then the elements. Every length is checked against the bytes that are there before memory is taken for it.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { createGunzip, type Gunzip } from 'node:zlib';
import { checkOptions, TilegradError } from '../error.ts';

/** An array of unsigned bytes read from an IDX file: `data` is row-major, of the product of `shape` bytes. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What a reader of IDX expects and allows. */
export interface IdxOptions {
  /** Number of dimensions the file must have (images 3, labels 1). Default: any from 1 to 8. */
  readonly rank?: number;
  /** Largest number of elements that memory is taken for, in bytes. Default 1 GiB. */
  readonly maxBytes?: number;
}

const maxRank = 8;
const defaultMaxBytes = 2 ** 30;
// No deflate stream grows by more than this (258 bytes from 2 bits), so a larger claim is a bomb or a cut file.
const maxDeflateRatio = 1032;
const unsignedByte = 0x08;
const otherTypes: Record<number, string> = {
  9: 'signed bytes',
  11: '16-bit integers',
  12: '32-bit integers',
  13: '32-bit floats',
  14: '64-bit floats',
};

function fail(file: string, what: string): never {
  throw new TilegradError('ERR_FORMAT', `idx: ${file}: ${what}`);
}

function count(bytes: number): string {
  return `${bytes.toLocaleString('en-US')} bytes`;
}

const idxOptions = ['rank', 'maxBytes'] as const;

interface Header {
  readonly shape: number[];
  readonly headerBytes: number;
  readonly dataBytes: number;
}

function checkMagic(bytes: Uint8Array, file: string, rank: number | undefined): number {
  const expected = rank === undefined ? '0x000008NN' : `0x0000080${rank}`;
  const found = `0x${Buffer.from(bytes.subarray(0, 4)).toString('hex')}`;
  const type = bytes[2] as number;
  if (bytes[0] !== 0 || bytes[1] !== 0) fail(file, `is not an IDX file: magic is ${found}, expected ${expected}`);
  if (type !== unsignedByte) {
    const name = otherTypes[type];
    if (name === undefined) fail(file, `is not an IDX file: magic is ${found}, expected ${expected}`);
    throw new TilegradError('ERR_UNSUPPORTED', `idx: ${file}: holds ${name}, only unsigned bytes are read`);
  }
  const dims = bytes[3] as number;
  if (dims < 1 || dims > maxRank) fail(file, `has ${dims} dimensions, expected 1 to ${maxRank}`);
  if (rank !== undefined && dims !== rank) {
    fail(file, `has ${dims} dimensions (magic ${found}), expected ${rank} (magic ${expected})`);
  }
  return dims;
}

// Returns undefined while `bytes` is too short to hold the whole header.
function parseHeader(bytes: Uint8Array, file: string, options: IdxOptions): Header | undefined {
  if (bytes.length < 4) return undefined;
  const dims = checkMagic(bytes, file, options.rank);
  const headerBytes = 4 + 4 * dims;
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape: number[] = [];
  let dataBytes = 1;
  for (let i = 0; i < dims; i++) {
    const dim = view.getUint32(4 + 4 * i);
    shape.push(dim);
    // Past 2^53 the product only needs to stay above the limit; a later 0 rightly brings it to 0.
    dataBytes *= dim;
  }
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  if (dataBytes > maxBytes) {
    fail(file, `claims [${shape}] = ${count(dataBytes)}, more than the limit of ${count(maxBytes)}`);
  }
  return { shape, headerBytes, dataBytes };
}

/**
 * Reads the bytes of an IDX array that is not compressed. The result is a view of `bytes`. Throws `ERR_FORMAT` for a
 * wrong magic, rank or length (too short and too long alike) and `ERR_UNSUPPORTED` for elements other than bytes.
 */
export function parseIdx(bytes: Uint8Array, file = 'input', options: IdxOptions = {}): IdxArray {
  checkOptions('parseIdx', options, idxOptions);
  const header = parseHeader(bytes, file, options);
  if (header === undefined) fail(file, `ends inside the header, after ${count(bytes.length)}`);
  const { shape, headerBytes, dataBytes } = header;
  const found = bytes.length - headerBytes;
  if (found !== dataBytes) {
    const difference =
      found < dataBytes ? `${count(dataBytes - found)} are missing` : `${count(found - dataBytes)} follow`;
    fail(file, `shape [${shape}] needs ${count(dataBytes)} of data but there are ${count(found)}: ${difference}`);
  }
  return { shape, data: bytes.subarray(headerBytes) };
}

/** Collects what the decompressor yields, into memory taken once the header has told how much there must be. */
class IdxCollector {
  readonly #file: string;
  readonly #options: IdxOptions;
  readonly #compressedBytes: number;
  #pending: Uint8Array = new Uint8Array(0);
  #header: Header | undefined;
  #whole: Uint8Array | undefined;
  #filled = 0;

  constructor(file: string, compressedBytes: number, options: IdxOptions) {
    this.#file = file;
    this.#options = options;
    this.#compressedBytes = compressedBytes;
  }

  add(chunk: Uint8Array): void {
    if (this.#whole === undefined) {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      this.#header = parseHeader(this.#pending, this.#file, this.#options);
      if (this.#header === undefined) return;
      this.#whole = this.#allocate(this.#header);
      chunk = this.#pending;
    }
    const room = this.#whole.length - this.#filled;
    if (chunk.length > room) {
      fail(this.#file, `goes on after the ${count(this.#whole.length)} that its shape [${this.#header?.shape}] allows`);
    }
    this.#whole.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  #allocate(header: Header): Uint8Array {
    const claimed = header.headerBytes + header.dataBytes;
    if (claimed > this.#compressedBytes * maxDeflateRatio) {
      const text = `${count(this.#compressedBytes)} of gzip cannot hold the ${count(claimed)} of shape`;
      fail(this.#file, `${text} [${header.shape}]`);
    }
    return new Uint8Array(claimed);
  }

  finish(): IdxArray {
    const whole = this.#whole;
    return parseIdx(whole === undefined ? this.#pending : whole.subarray(0, this.#filled), this.#file, this.#options);
  }
}

function gunzipError(error: NodeJS.ErrnoException, file: string): TilegradError {
  const cut = error.code === 'Z_BUF_ERROR';
  const text = cut ? 'the gzip stream is cut short' : `the gzip stream is damaged (${error.message})`;
  return new TilegradError('ERR_FORMAT', `idx: ${file}: ${text}; delete the file and fetch it again`, { cause: error });
}

async function inflateInto(
  gunzip: Gunzip,
  compressed: Uint8Array,
  collector: IdxCollector,
  file: string,
): Promise<void> {
  gunzip.end(compressed);
  try {
    for await (const chunk of gunzip) collector.add(chunk as Uint8Array);
  } catch (error) {
    if (error instanceof TilegradError) throw error;
    throw gunzipError(error as NodeJS.ErrnoException, file);
  }
  const left = compressed.length - gunzip.bytesWritten;
  if (left > 0) fail(file, `${count(left)} follow the end of the gzip stream`);
}

/**
 * Decodes an IDX array, gzip-compressed or plain, without holding the event loop. `file` names it in errors. Throws as
 * `parseIdx` does, and `ERR_FORMAT` for a gzip stream that is cut, damaged, followed by other bytes, or larger than
 * the shape in the header says.
 */
export async function decodeIdx(bytes: Uint8Array, file = 'input', options: IdxOptions = {}): Promise<IdxArray> {
  checkOptions('decodeIdx', options, idxOptions);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return parseIdx(bytes, file, options);
  const collector = new IdxCollector(file, bytes.length, options);
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  await inflateInto(gunzip, bytes, collector, file);
  return collector.finish();
}

/**
 * Reads an IDX file of unsigned bytes, gzip-compressed or plain. Throws as `decodeIdx` does, with the file's name, and
 * `ERR_IO` where the file cannot be read.
 */
export async function readIdx(path: string, options: IdxOptions = {}): Promise<IdxArray> {
  checkOptions('readIdx', options, idxOptions);
  const file = basename(path);
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const bytes = await readBounded(path, maxBytes + 4 + 4 * maxRank);
  return decodeIdx(bytes, file, options);
}

async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) fail(basename(path), `is ${count(size)} long, more than the limit of ${count(maxBytes)}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof TilegradError) throw error;
    throw new TilegradError('ERR_IO', `idx: cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
