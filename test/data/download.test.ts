import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder, dataFolder } from '../../lib/data/cache.ts';
import { type DownloadOptions, download } from '../../lib/data/download.ts';

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i + (i >> 8)) & 255));
const sha256 = createHash('sha256').update(content).digest('hex');
// No process has this id: Linux ends at 2^22, the others below.
const deadPid = 2 ** 30;

let server: Server;
let base: string;
let folder: string;
let requests: { url: string; range: string | undefined }[];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

/** Sends the file, honouring a range as a web server does. */
function serveRange(request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string> = { 'content-length': String(content.length - start) };
  if (start > 0) headers['content-range'] = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers).end(content.subarray(start));
}

/** Sends `bytes` of what was asked, then cuts the connection. */
function cutAfter(bytes: number, request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string> = { 'content-length': String(content.length - start) };
  if (start > 0) headers['content-range'] = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers);
  response.write(content.subarray(start, start + bytes), () => setTimeout(() => response.destroy(), 20));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tilegrad-download-'));
  requests = [];
  respond = serveRange;
  server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', range: request.headers.range });
    respond(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(folder, { recursive: true, force: true });
});

function options(more: Partial<DownloadOptions> = {}): DownloadOptions {
  const path = join(folder, 'sub', 'file.gz');
  return { urls: [`${base}/a`], path, sha256, bytes: content.length, retryDelayMs: 1, stallMs: 2000, ...more };
}

async function fetched(path = options().path): Promise<boolean> {
  return content.equals(await readFile(path));
}

describe('download', () => {
  it('fetches, creates the folder, reports progress and leaves nothing else', async () => {
    const seen: number[] = [];
    await download(options({ onProgress: ({ received }) => seen.push(received) }));
    expect(await fetched()).toBe(true);
    expect(await readdir(join(folder, 'sub'))).toEqual(['file.gz']);
    expect(seen.at(-1)).toBe(content.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('continues a broken connection where it broke', async () => {
    respond = (request, response) =>
      requests.length < 3 ? cutAfter(100_000, request, response) : serveRange(request, response);
    await download(options());
    expect(await fetched()).toBe(true);
    expect(requests.map((r) => r.range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('continues the part of a process that is gone', async () => {
    await download(options({ path: join(folder, 'x') }));
    await writeFile(join(folder, `file.gz.part-${deadPid}-0`), content.subarray(0, 250_000));
    await download(options({ path: join(folder, 'file.gz') }));
    expect(await fetched(join(folder, 'file.gz'))).toBe(true);
    expect(requests.at(-1)?.range).toBe('bytes=250000-');
    expect((await readdir(folder)).sort()).toEqual(['file.gz', 'x']);
  });

  it('leaves the part of a living process alone', async () => {
    const other = join(folder, `file.gz.part-${process.ppid}-0`);
    await writeFile(other, 'not mine');
    await download(options({ path: join(folder, 'file.gz') }));
    expect(await readFile(other, 'utf8')).toBe('not mine');
    expect(requests[0]?.range).toBeUndefined();
  });

  it('needs no request when the part is whole', async () => {
    await writeFile(join(folder, `file.gz.part-${deadPid}-3`), content);
    await download(options({ path: join(folder, 'file.gz') }));
    expect(requests).toEqual([]);
  });

  it('starts again where the server knows no ranges', async () => {
    await writeFile(join(folder, `file.gz.part-${deadPid}-0`), content.subarray(0, 1000));
    respond = (_request, response) => response.writeHead(200).end(content);
    await download(options({ path: join(folder, 'file.gz') }));
    expect(await fetched(join(folder, 'file.gz'))).toBe(true);
  });

  it.each([
    ['a 416', (response: ServerResponse) => response.writeHead(416).end()],
    [
      'the wrong byte',
      (response: ServerResponse) => response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('x'),
    ],
  ])('starts again after %s', async (_name, refuse) => {
    await writeFile(join(folder, `file.gz.part-${deadPid}-0`), content.subarray(0, 1000));
    respond = (request, response) => (request.headers.range ? refuse(response) : serveRange(request, response));
    await download(options({ path: join(folder, 'file.gz') }));
    expect(await fetched(join(folder, 'file.gz'))).toBe(true);
  });

  it('starts again when the part of an earlier run was damaged', async () => {
    await writeFile(join(folder, `file.gz.part-${deadPid}-0`), Buffer.alloc(1000, 7));
    await download(options({ path: join(folder, 'file.gz') }));
    expect(await fetched(join(folder, 'file.gz'))).toBe(true);
    expect(requests.map((r) => r.range)).toEqual(['bytes=1000-', undefined]);
  });

  it('refuses a wrong checksum and keeps nothing under the name', async () => {
    respond = (_request, response) => response.end(Buffer.alloc(content.length));
    await expect(download(options())).rejects.toThrow(
      /file.gz could not be fetched from its address:\n {2}http.*checksum mismatch: SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}/,
    );
    await expect(readFile(options().path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(requests.length).toBe(1);
  });

  it('leaves an address that sends more than expected', async () => {
    respond = (_request, response) => response.end(Buffer.concat([content, Buffer.alloc(9)]));
    await expect(download(options())).rejects.toThrow(/sends more than the 300000 bytes expected/);
  });

  it('leaves an address that packs the file once more', async () => {
    respond = (_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('');
    await expect(download(options())).rejects.toThrow(/packs the file again \(br\)/);
  });

  it('goes on to the next address, also with the part of the first', async () => {
    respond = (request, response) => {
      if (request.url === '/missing') response.writeHead(404).end('no');
      else if (request.url === '/cut') cutAfter(50_000, request, response);
      else serveRange(request, response);
    };
    await download(options({ urls: [`${base}/missing`, `${base}/cut`, `${base}/good`], attempts: 1 }));
    expect(await fetched()).toBe(true);
    expect(requests.map((r) => [r.url, r.range])).toEqual([
      ['/missing', undefined],
      ['/cut', undefined],
      ['/good', 'bytes=50000-'],
    ]);
  });

  it('says what every address answered, when none gave the file', async () => {
    respond = (request, response) => {
      if (request.url === '/short') response.writeHead(200, { 'content-length': '10' }).end(content.subarray(0, 10));
      else response.writeHead(request.url === '/gone' ? 404 : 503).end();
    };
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    const urls = [`${base}/gone`, `${base}/busy`, `${base}/short`, `http://127.0.0.1:${port}/off`, 'nonsense'];
    const error = await download(options({ urls, attempts: 2 })).catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'ERR_IO' });
    const lines = (error as Error).message.split('\n');
    expect(lines[0]).toBe('download: file.gz could not be fetched from any of 5 addresses:');
    expect(lines[1]).toMatch(/\/gone: HTTP 404 Not Found$/);
    expect(lines[2]).toMatch(/\/busy: HTTP 503 Service Unavailable$/);
    expect(lines[3]).toMatch(/\/short: has 10 bytes, expected 300000$/);
    expect(lines[4]).toMatch(/\/off: no connection \(.*ECONNREFUSED/);
    expect(lines[5]).toMatch(/nonsense: /);
    expect(requests.filter((r) => r.url === '/gone').length).toBe(1);
    expect(requests.filter((r) => r.url === '/busy').length).toBe(2);
  });

  it('tries again where a connection without a length ends too soon', async () => {
    respond = (request, response) => {
      if (requests.length > 1) serveRange(request, response);
      else response.writeHead(200, { connection: 'close' }).end(content.subarray(0, 99));
    };
    await download(options());
    expect(requests.map((r) => r.range)).toEqual([undefined, 'bytes=99-']);
    expect(await fetched()).toBe(true);
  });

  it('gives up an address that falls silent', async () => {
    respond = (_request, response) => response.writeHead(200).write(content.subarray(0, 10));
    await expect(download(options({ stallMs: 100, attempts: 1 }))).rejects.toThrow(/sent nothing for 0.1 s/);
  });

  it('stops when told to, keeps the part and continues it later', async () => {
    respond = (_request, response) => response.writeHead(200).write(content.subarray(0, 1000));
    const controller = new AbortController();
    const work = download(options({ signal: controller.signal, onProgress: () => controller.abort() }));
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    respond = serveRange;
    await download(options());
    expect(requests.at(-1)?.range).toBe('bytes=1000-');
    expect(await fetched()).toBe(true);
  });

  it('lets an error of onProgress through', async () => {
    const onProgress = () => {
      throw new RangeError('mine');
    };
    await expect(download(options({ onProgress }))).rejects.toThrow(new RangeError('mine'));
  });

  it('shares one download between two calls', async () => {
    await Promise.all([download(options()), download(options())]);
    expect(requests.length).toBe(1);
  });

  it('names the disk error and asks no other address', async () => {
    await writeFile(join(folder, 'sub'), 'a file where the folder should be');
    const work = download(options({ urls: [`${base}/a`, `${base}/b`] }));
    await expect(work).rejects.toThrow(/download: cannot write .*file.gz \(300000 bytes\): (EEXIST|ENOTDIR)/);
    await expect(work).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(requests).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('names a folder that it may not write', async () => {
    await chmod(folder, 0o500);
    await expect(download(options())).rejects.toThrow(/cannot write .*EACCES/);
  });
});

describe('cacheFolder', () => {
  it('follows the habit of the system', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' }, 'linux')).toBe(join('/x', 'tilegrad'));
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' }, 'linux')).toMatch(/\.cache.tilegrad$/);
    expect(cacheFolder({}, 'linux')).toMatch(/\.cache.tilegrad$/);
    expect(cacheFolder({ LOCALAPPDATA: 'C:/l' }, 'win32')).toBe(join('C:/l', 'tilegrad'));
  });

  it('takes the data folder from TILEGRAD_DATA', () => {
    expect(dataFolder({})).toBeUndefined();
    expect(dataFolder({ TILEGRAD_DATA: '' })).toBeUndefined();
    expect(dataFolder({ TILEGRAD_DATA: '/d' })).toBe('/d');
  });
});
