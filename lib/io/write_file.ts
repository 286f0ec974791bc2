import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TilegradError } from '../error.ts';

/**
 * Writes the chunks, in order, as one file that appears whole or not at all: a temporary file beside it is written,
 * brought to the disk (fsync) and renamed over `path`. An interrupted or failed write leaves a file that stood there
 * as it was. Throws `ERR_IO` with the system's reason.
 */
export async function writeFileWhole(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const target = resolve(path);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeChunks(file, chunks);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    // The first error is the one to report; the temporary may not even exist.
    await unlink(temporary).catch(() => undefined);
    throw new TilegradError('ERR_IO', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function writeChunks(file: FileHandle, chunks: Iterable<Uint8Array>): Promise<void> {
  for (const chunk of chunks) {
    let done = 0;
    while (done < chunk.length) {
      const { bytesWritten } = await file.write(chunk, done, Math.min(chunk.length - done, 2 ** 30));
      done += bytesWritten;
    }
  }
}

// Makes the rename itself last through a power failure; Windows cannot open folders and needs no such step.
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
