// The safetensors format: u64 little-endian length of a JSON header, the header, then the tensors' bytes. Everything in
// the header is a claim: it is checked in whole against the length of the file before a byte of data is believed.
import { TilegradError } from '../error.ts';

/** The dtypes that are read and written, by their names in the format. */
export const safetensorsDtypes = {
  F64: { dtype: 'f64', bytes: 8 },
  F32: { dtype: 'f32', bytes: 4 },
  F16: { dtype: 'f16', bytes: 2 },
  BF16: { dtype: 'bf16', bytes: 2 },
  I64: { dtype: 'i64', bytes: 8 },
  I32: { dtype: 'i32', bytes: 4 },
  I8: { dtype: 'i8', bytes: 1 },
  U8: { dtype: 'u8', bytes: 1 },
  BOOL: { dtype: 'bool', bytes: 1 },
} as const;

type FormatDtype = keyof typeof safetensorsDtypes;

/** A dtype that a safetensors file can hold, by the library's name. */
export type SafetensorsDtype = (typeof safetensorsDtypes)[FormatDtype]['dtype'];

/** Where a tensor lies: bytes `start` to `end`, counted from the end of the header. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/** The header of a file, its entries in the order of their bytes. */
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tensor to be written: `data` is its row-major, little-endian bytes. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Length of the field before the header, in bytes. */
export const safetensorsPrefixBytes = 8;
const maxHeaderBytes = 100_000_000;
// In the format's list but not among the library's dtypes.
const foreignDtypes = ['I16', 'U16', 'U32', 'U64', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F6_E2M3', 'F6_E3M2', 'F4', 'C64'];

function fail(file: string, what: string): never {
  throw new TilegradError('ERR_FORMAT', `safetensors: ${file}: ${what}`);
}

/** Text of the file in an error, cut to a length that fits a line and without control characters. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/**
 * The length of the header from the first eight bytes of a file of `fileBytes` bytes, at most 100 MB and within the
 * file. Throws `ERR_FORMAT`.
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, file = 'input'): number {
  if (fileBytes < safetensorsPrefixBytes + 2) fail(file, `is ${fileBytes} bytes long, too short for a header`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    fail(file, `claims a header of ${length} bytes, the format allows ${maxHeaderBytes} (is it a safetensors file?)`);
  }
  if (Number(length) > fileBytes - safetensorsPrefixBytes) {
    fail(file, `claims a header of ${length} bytes but is ${fileBytes} bytes long: it is cut short`);
  }
  return Number(length);
}

/**
 * Reads and checks a header given the number of data bytes that follow it. The tensors must fill those bytes without
 * holes, overlaps or rest, have distinct names and sizes that match dtype and shape. Throws `ERR_FORMAT`, and
 * `ERR_UNSUPPORTED` for dtypes that the format knows and the library does not.
 */
export function parseHeader(header: Uint8Array, dataBytes: number, file = 'input'): SafetensorsHeader {
  const tree = parseJson(header, file);
  const found: [string, SafetensorsEntry][] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(tree)) {
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else found.push([name, parseEntry(name, value, file)]);
  }
  found.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const [name, entry] of found) {
    if (entry.start !== end) {
      const what = entry.start > end ? 'a hole' : 'an overlap';
      fail(file, `tensor ${quote(name)} begins at byte ${entry.start}, expected ${end}: ${what} in the data`);
    }
    end = entry.end;
  }
  if (end !== dataBytes) {
    const what = end > dataBytes ? 'the file is cut short' : 'bytes follow the last tensor';
    fail(file, `the header describes ${end} bytes of data, there are ${dataBytes}: ${what}`);
  }
  return { entries: new Map(found), metadata };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(header: Uint8Array, file: string): Record<string, unknown> {
  if (header[0] !== 0x7b) fail(file, 'the header does not begin with "{"');
  let text: string;
  let tree: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    tree = JSON.parse(text);
  } catch (error) {
    fail(file, `the header is not JSON in UTF-8 (${quote((error as Error).message)})`);
  }
  if (!isRecord(tree)) fail(file, 'the header is not a JSON object');
  const twice = findDuplicateKey(text);
  if (twice !== undefined) fail(file, `the header has the key ${quote(twice)} twice`);
  return tree;
}

// JSON.parse keeps the last of two equal keys in silence. The text is known to be valid JSON here, so a string is a key
// exactly if a colon follows it.
function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{') open.push(new Set());
    else if (character === '}') open.pop();
    else if (character === '"') {
      const end = stringEnd(text, i);
      if (followedByColon(text, end)) {
        const key = JSON.parse(text.slice(i, end)) as string;
        const keys = open.at(-1) as Set<string>;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** The index after the closing quote of the JSON string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  for (let quoteAt = text.indexOf('"', start + 1); ; quoteAt = text.indexOf('"', quoteAt + 1)) {
    let slashes = 0;
    while (text[quoteAt - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quoteAt + 1;
  }
}

function followedByColon(text: string, start: number): boolean {
  let i = start;
  while (' \t\n\r'.includes(text[i] as string)) i++;
  return text[i] === ':';
}

function parseMetadata(value: unknown, file: string): ReadonlyMap<string, string> {
  if (!isRecord(value)) fail(file, '__metadata__ is not an object');
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') fail(file, `__metadata__ ${quote(key)} is not a string`);
    metadata.set(key, text);
  }
  return metadata;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseEntry(name: string, value: unknown, file: string): SafetensorsEntry {
  const tensor = `tensor ${quote(name)}`;
  if (!isRecord(value)) fail(file, `${tensor} is not described by an object`);
  const { dtype: dtypeName, shape, data_offsets: offsets, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) fail(file, `${tensor} has the unknown field ${quote(unknown)}`);
  const { dtype, bytes } = dtypeOf(dtypeName, tensor, file);
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    fail(file, `${tensor} has shape ${quote(JSON.stringify(shape) ?? 'none')}, expected a list of whole numbers`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    fail(file, `${tensor} has data_offsets ${quote(JSON.stringify(offsets) ?? 'none')}, expected [begin, end]`);
  }
  const [start, end] = offsets as [number, number];
  const size = sizeOf(shape, bytes);
  if (size === undefined) fail(file, `${tensor} of shape [${shape}] has more bytes than can be counted`);
  if (end - start !== size) {
    fail(file, `${tensor} has ${end - start} bytes of data, ${dtypeName} of shape [${shape}] needs ${size}`);
  }
  return { dtype, shape, start, end };
}

function dtypeOf(name: unknown, tensor: string, file: string): { dtype: SafetensorsDtype; bytes: number } {
  if (typeof name === 'string' && Object.hasOwn(safetensorsDtypes, name)) return safetensorsDtypes[name as FormatDtype];
  if (foreignDtypes.includes(name as string)) {
    const known = Object.keys(safetensorsDtypes).join(' ');
    throw new TilegradError(
      'ERR_UNSUPPORTED',
      `safetensors: ${file}: ${tensor} has dtype ${name}, supported are ${known}`,
    );
  }
  fail(file, `${tensor} has the unknown dtype ${quote(JSON.stringify(name) ?? 'none')}`);
}

// Undefined where a partial product leaves the whole numbers that a double holds, even if a later dimension is 0.
function sizeOf(shape: readonly number[], bytes: number): number | undefined {
  let size = bytes;
  for (const dim of shape) {
    size *= dim;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return size;
}

/** Throws `ERR_FORMAT` for a bool that is neither 0 nor 1, which no kernel expects; every other byte is a value. */
export function checkTensorBytes(bytes: Uint8Array, name: string, entry: SafetensorsEntry, file = 'input'): void {
  if (entry.dtype === 'bool' && bytes.some((value) => value > 1)) {
    fail(file, `tensor ${quote(name)} is BOOL but holds bytes other than 0 and 1`);
  }
}

/** A whole file held in memory: every tensor's bytes (views of `bytes`) in the order of the file, and the metadata. */
export function parseSafetensors(
  bytes: Uint8Array,
  file = 'input',
): { tensors: Map<string, SafetensorsTensor>; metadata: ReadonlyMap<string, string> } {
  const dataStart = safetensorsPrefixBytes + headerLength(bytes, bytes.length, file);
  const header = bytes.subarray(safetensorsPrefixBytes, dataStart);
  const { entries, metadata } = parseHeader(header, bytes.length - dataStart, file);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, entry] of entries) {
    const data = bytes.subarray(dataStart + entry.start, dataStart + entry.end);
    checkTensorBytes(data, name, entry, file);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, data });
  }
  return { tensors, metadata };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The bytes of a file, as chunks to be written one after the other: the header, then each tensor's `data` itself. The
 * same tensors give the same bytes in any order: wider dtypes first, so that each tensor is aligned, then by name. Throws
 * `ERR_ARGUMENT` for a tensor whose bytes do not match its shape, a reserved name or metadata that is no text.
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, SafetensorsTensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array[] {
  const rows = Array.from(tensors, ([name, tensor]) => ({ name, tensor, ...formatOf(tensor.dtype) }));
  rows.sort((a, b) => b.bytes - a.bytes || compareText(a.format, b.format) || compareText(a.name, b.name));
  const parts: string[] = [];
  const meta = metadataMembers(metadata);
  if (meta.length > 0) parts.push(`"__metadata__":{${meta.join(',')}}`);
  const names = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, tensor, format, bytes } of rows) {
    if (names.has(name)) refuse(`the name ${quote(name)} is ${name === '__metadata__' ? 'reserved' : 'given twice'}`);
    names.add(name);
    const size = sizeOf(tensor.shape, bytes);
    if (size !== tensor.data.length) {
      const needed = `${format} of shape [${tensor.shape}] needs ${size}`;
      refuse(`tensor ${quote(name)} has ${tensor.data.length} bytes, ${needed}`);
    }
    const place = `"data_offsets":[${offset},${offset + size}]`;
    parts.push(`${JSON.stringify(name)}:{"dtype":"${format}","shape":[${tensor.shape}],${place}}`);
    offset += size;
  }
  return [encodeHeader(`{${parts.join(',')}}`), ...rows.map((row) => row.tensor.data)];
}

function formatOf(dtype: SafetensorsDtype): { format: string; bytes: number } {
  for (const [format, row] of Object.entries(safetensorsDtypes)) {
    if (row.dtype === dtype) return { format, bytes: row.bytes };
  }
  refuse(`dtype ${dtype} cannot be written`);
}

function metadataMembers(metadata: Iterable<readonly [string, string]>): string[] {
  const rows = Array.from(metadata).sort(([a], [b]) => compareText(a, b));
  const names = new Set<string>();
  return rows.map(([key, value]) => {
    if (typeof value !== 'string') refuse(`metadata ${quote(key)} is ${typeof value}, expected a string`);
    if (names.has(key)) refuse(`the metadata key ${quote(key)} is given twice`);
    names.add(key);
    return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
  });
}

function refuse(what: string): never {
  throw new TilegradError('ERR_ARGUMENT', `safetensors: ${what}`);
}

/** The length field and the header, padded with spaces so that the data begins at a multiple of 8. */
function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > maxHeaderBytes) refuse(`the header would be ${length} bytes long, the format allows ${maxHeaderBytes}`);
  const bytes = new Uint8Array(safetensorsPrefixBytes + length).fill(0x20, safetensorsPrefixBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, safetensorsPrefixBytes);
  return bytes;
}
