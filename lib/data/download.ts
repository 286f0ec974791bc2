// A download that survives interruptions. The bytes go to `FILE.part-PID-THREAD`; a part whose process is gone is taken
// over by a rename, which only one process wins, and continued. Only bytes whose SHA-256 is right get the real name.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { checkOptions, TilegradError } from '../error.ts';

/** How far a download is: bytes that are on disk, of how many. */
export interface DownloadProgress {
  readonly file: string;
  readonly received: number;
  readonly total: number;
}

/** What `download` fetches, from where, and how long it tries. */
export interface DownloadOptions {
  /** Addresses of the same bytes, tried in this order. */
  readonly urls: readonly string[];
  /** Where the file goes; its folder is created. */
  readonly path: string;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Length of the whole file in bytes; an address that sends more is left at once. */
  readonly bytes: number;
  /** Called as bytes arrive. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which an address is given up. Default 30,000. */
  readonly stallMs?: number;
  /** Tries per address; each continues where the one before broke off. Default 3. */
  readonly attempts?: number;
  /** Milliseconds before the second try, doubled for each further one. Default 500. */
  readonly retryDelayMs?: number;
}

/** One address did not give the file; the next one may. `retry` says that the same one may too. */
class SourceError extends Error {
  readonly retry: boolean;
  constructor(message: string, retry: boolean) {
    super(message);
    this.retry = retry;
  }
}

const downloadOptions: readonly (keyof DownloadOptions)[] = [
  'urls',
  'path',
  'sha256',
  'bytes',
  'onProgress',
  'signal',
  'stallMs',
  'attempts',
  'retryDelayMs',
];

const running = new Map<string, Promise<void>>();

/**
 * Fetches one file over HTTP and returns when its verified bytes stand under `path`. An interrupted download is
 * continued, from the same or another address and also by a later process. Two calls for one path share one download.
 * Throws `ERR_IO` with what each address answered, or naming the disk error; a wrong checksum is never kept.
 */
export function download(options: DownloadOptions): Promise<void> {
  checkOptions('download', options, downloadOptions);
  const path = resolve(options.path);
  const shared = running.get(path);
  if (shared !== undefined) return shared;
  const work = fetchFile({ ...options, path }).finally(() => running.delete(path));
  running.set(path, work);
  return work;
}

async function fetchFile(options: DownloadOptions): Promise<void> {
  const part = `${options.path}.part-${process.pid}-${threadId}`;
  await onDisk(options, async () => {
    await mkdir(dirname(options.path), { recursive: true });
    await takeOverPart(options.path, part);
  });
  const answers: string[] = [];
  for (const url of options.urls) {
    try {
      await fetchFrom(url, part, options);
      await onDisk(options, () => rename(part, options.path));
      return;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      answers.push(`  ${url}: ${error.message}`);
    }
  }
  const file = basename(options.path);
  const many = options.urls.length === 1 ? 'its address' : `any of ${options.urls.length} addresses`;
  throw new TilegradError('ERR_IO', `download: ${file} could not be fetched from ${many}:\n${answers.join('\n')}`);
}

async function fetchFrom(url: string, part: string, options: DownloadOptions): Promise<void> {
  const attempts = options.attempts ?? 3;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchOnce(url, part, options);
      return;
    } catch (error) {
      if (!(error instanceof SourceError) || !error.retry || attempt === attempts) throw error;
    }
    const delay = (options.retryDelayMs ?? 500) * 2 ** (attempt - 1);
    await sleep(delay, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
  }
}

/** One request for what is missing of the part, then the check of the whole. */
async function fetchOnce(url: string, part: string, options: DownloadOptions): Promise<void> {
  const file = await onDisk(options, () => open(part, 'a+'));
  try {
    const resumed = new PartFile(file, options);
    await resumed.hashExisting();
    if (resumed.size > options.bytes) await resumed.restart();
    const startedAt = resumed.size;
    if (resumed.size < options.bytes) await receive(url, resumed, options);
    const digest = resumed.digest();
    if (digest !== options.sha256.toLowerCase()) {
      await resumed.restart();
      // The part of an earlier run may be at fault rather than this address: then it gets one try from the start.
      throw new SourceError(`checksum mismatch: SHA-256 is ${digest}, expected ${options.sha256}`, startedAt > 0);
    }
    await onDisk(options, () => file.sync());
  } finally {
    await file.close();
  }
}

/** The bytes received so far, with their running checksum. */
class PartFile {
  size = 0;
  #hash: Hash = createHash('sha256');
  readonly #file: FileHandle;
  readonly #options: DownloadOptions;

  constructor(file: FileHandle, options: DownloadOptions) {
    this.#file = file;
    this.#options = options;
  }

  hashExisting(): Promise<void> {
    return onDisk(this.#options, async () => {
      const buffer = Buffer.allocUnsafe(1 << 20);
      for (;;) {
        const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.size);
        if (bytesRead === 0) return;
        this.#hash.update(buffer.subarray(0, bytesRead));
        this.size += bytesRead;
      }
    });
  }

  restart(): Promise<void> {
    this.#hash = createHash('sha256');
    this.size = 0;
    return onDisk(this.#options, () => this.#file.truncate(0));
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.size + chunk.length > this.#options.bytes) {
      throw new SourceError(`sends more than the ${this.#options.bytes} bytes expected`, false);
    }
    // The file is open for appending, so the position is always its end.
    await onDisk(this.#options, () => this.#file.appendFile(chunk));
    this.#hash.update(chunk);
    this.size += chunk.length;
    const { path, bytes, onProgress } = this.#options;
    onProgress?.({ file: basename(path), received: this.size, total: bytes });
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

async function receive(url: string, part: PartFile, options: DownloadOptions): Promise<void> {
  const stallMs = options.stallMs ?? 30_000;
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), stallMs);
  const signal = options.signal ? AbortSignal.any([stalled.signal, options.signal]) : stalled.signal;
  // Only what the network throws is the address's fault; errors of the disk and of onProgress pass through.
  const onNetwork = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (stalled.signal.aborted) throw new SourceError(`sent nothing for ${stallMs / 1000} s`, true);
      throw networkError(error as Error, part.size, options);
    }
  };
  try {
    // identity: fetch would unpack a Content-Encoding of gzip, and these files are gzip themselves.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (part.size > 0) headers.range = `bytes=${part.size}-`;
    const response = await onNetwork(fetch(url, { headers, signal }));
    await acceptResponse(response, part);
    const reader = response.body?.getReader();
    for (;;) {
      const next = await onNetwork(reader?.read() ?? Promise.resolve(undefined));
      if (next === undefined || next.done) return await checkEnd(response, part, options);
      timer.refresh();
      await part.append(next.value);
    }
  } finally {
    clearTimeout(timer);
    // Frees the connection where the answer was left before its end.
    stalled.abort();
  }
}

/** Refuses an answer that is not the file, and brings the part to where the answer begins. */
async function acceptResponse(response: Response, part: PartFile): Promise<void> {
  const { status, headers } = response;
  if (status === 416) {
    await part.restart();
    throw new SourceError('HTTP 416: it does not continue downloads', true);
  }
  if (status !== 200 && status !== 206) {
    const again = status === 408 || status === 429 || status >= 500;
    throw new SourceError(`HTTP ${status} ${response.statusText}`.trimEnd(), again);
  }
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') throw new SourceError(`packs the file again (${encoding})`, false);
  const range = status === 206 ? /^bytes (\d+)-/.exec(headers.get('content-range') ?? '') : null;
  if (status === 206 && Number(range?.[1] ?? -1) !== part.size) {
    await part.restart();
    throw new SourceError(`continues at the wrong byte (${headers.get('content-range')})`, true);
  }
  if (status === 200 && part.size > 0) await part.restart();
}

/** Tells a file that is shorter than it should be from a connection that ended too soon. */
async function checkEnd(response: Response, part: PartFile, options: DownloadOptions): Promise<void> {
  if (part.size === options.bytes) return;
  if (response.headers.has('content-length')) {
    const { size } = part;
    await part.restart();
    throw new SourceError(`has ${size} bytes, expected ${options.bytes}`, false);
  }
  throw new SourceError(`the connection closed after ${part.size} of ${options.bytes} bytes`, true);
}

function networkError(error: Error, received: number, options: DownloadOptions): SourceError {
  // undici wraps the reason; a refused dual-stack connection wraps one more per address.
  const cause = error.cause as (NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] }) | undefined;
  const reason = cause?.errors?.[0] ?? cause ?? error;
  const code = (reason as NodeJS.ErrnoException).code;
  const offline = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'ETIMEDOUT'];
  if (code !== undefined && [...offline, 'UND_ERR_CONNECT_TIMEOUT'].includes(code)) {
    return new SourceError(`no connection (${reason.message || code})`, false);
  }
  const retry = !(error instanceof TypeError && /URL/.test(`${error.message} ${reason.message}`));
  return new SourceError(`broke off after ${received} of ${options.bytes} bytes (${reason.message})`, retry);
}

/** Runs work on the disk, whose errors end the download: another address would not help. */
async function onDisk<T>(options: DownloadOptions, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const text = `download: cannot write ${options.path} (${options.bytes} bytes): ${(error as Error).message}`;
    throw new TilegradError('ERR_IO', text, { cause: error });
  }
}

async function takeOverPart(path: string, part: string): Promise<void> {
  const prefix = `${basename(path)}.part-`;
  for (const name of await readdir(dirname(path))) {
    const owner = name.startsWith(prefix) ? /^(\d+)-\d+$/.exec(name.slice(prefix.length)) : null;
    const found = join(dirname(path), name);
    if (owner === null || found === part || isAlive(Number(owner[1]))) continue;
    try {
      await rename(found, part);
      return;
    } catch (error) {
      // Another process took it first.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
