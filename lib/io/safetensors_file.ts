import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { TilegradError } from '../error.ts';
import {
  checkTensorBytes,
  headerLength,
  parseHeader,
  safetensorsPrefixBytes,
  type SafetensorsHeader,
  type SafetensorsTensor,
  serializeSafetensors,
} from './safetensors.ts';
import { writeFileWhole } from './write_file.ts';

/** A safetensors file that is open: its checked header, and the tensors' bytes on demand. */
export class SafetensorsFile {
  readonly header: SafetensorsHeader;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #dataStart: number;

  private constructor(handle: FileHandle, path: string, header: SafetensorsHeader, dataStart: number) {
    this.#handle = handle;
    this.#path = path;
    this.header = header;
    this.#dataStart = dataStart;
  }

  /** Opens a file and checks its header. Throws `ERR_IO`, or as `parseHeader` does. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await onDisk(path, () => open(path, 'r'));
    try {
      const { size } = await onDisk(path, () => handle.stat());
      const prefix = await readAt(handle, path, 0, Math.min(size, safetensorsPrefixBytes));
      const length = headerLength(prefix, size, basename(path));
      const dataStart = safetensorsPrefixBytes + length;
      const text = await readAt(handle, path, safetensorsPrefixBytes, length);
      return new SafetensorsFile(handle, path, parseHeader(text, size - dataStart, basename(path)), dataStart);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Reads one tensor's bytes into memory of their own. Throws `ERR_ARGUMENT` for a name that the file does not have. */
  async read(name: string): Promise<SafetensorsTensor> {
    const file = basename(this.#path);
    const entry = this.header.entries.get(name);
    if (entry === undefined) {
      throw new TilegradError('ERR_ARGUMENT', `safetensors: ${file}: has no tensor ${JSON.stringify(name)}`);
    }
    const data = await readAt(this.#handle, this.#path, this.#dataStart + entry.start, entry.end - entry.start);
    checkTensorBytes(data, name, entry, file);
    return { dtype: entry.dtype, shape: entry.shape, data };
  }

  /** Closes the file. Later reads throw ERR_IO. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Writes tensors and metadata as one safetensors file that appears whole or not at all. Throws as
 * `serializeSafetensors` and `writeFileWhole` do.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, SafetensorsTensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Promise<void> {
  return writeFileWhole(path, serializeSafetensors(tensors, metadata));
}

async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new TilegradError('ERR_IO', `safetensors: cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

// The header was checked against the length of the file, so memory is only taken for bytes that are there.
function readAt(handle: FileHandle, path: string, position: number, length: number): Promise<Uint8Array> {
  return onDisk(path, async () => {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 2 ** 30), position + done);
      if (bytesRead === 0) throw new Error('the file became shorter while it was read');
      done += bytesRead;
    }
    return bytes;
  });
}
