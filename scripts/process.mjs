// Child processes, content stamps and the lock that the other scripts share.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

/** A failure that one sentence explains; the scripts print it without a stack trace. */
export class SetupError extends Error {}

/**
 * Runs a program to its end and gives `{ code, output, stdout }`; `output` is standard output and error together.
 * `stdio: 'inherit'` shows it instead; `onLine` sees each line as it comes; a program that is missing gives code 127.
 */
export function run(command, args, { onLine, stdio = 'pipe', env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', stdio, stdio] });
    let output = '';
    let stdout = '';
    let pending = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (stream === child.stdout) stdout += text;
        const lines = (pending + text).split(/\r?\n/);
        pending = lines.pop() ?? '';
        if (onLine) for (const line of lines) onLine(line);
      });
    }
    child.on('error', (error) =>
      error.code === 'ENOENT' ? resolve({ code: 127, output: '', stdout: '' }) : reject(error),
    );
    child.on('close', (code, signal) => resolve({ code: code ?? (signal ? 1 : 0), output, stdout }));
  });
}

/** Runs the JavaScript program of an installed package with this Node. */
export const runPackage = (script, args, options) =>
  run(process.execPath, [join(root, 'node_modules', script), ...args], options);

/** Every file under the given files and folders (relative to the root) whose name passes, sorted. */
export function listFiles(paths, accept = () => true) {
  const found = [];
  const visit = (path) => {
    let entries;
    try {
      entries = readdirSync(join(root, path), { withFileTypes: true });
    } catch (error) {
      if (error.code === 'ENOTDIR' && accept(path)) found.push(path);
      if (error.code !== 'ENOTDIR' && error.code !== 'ENOENT') throw error;
      return;
    }
    for (const entry of entries) {
      if (entry.name === 'node_modules') continue;
      if (entry.isDirectory()) visit(`${path}/${entry.name}`);
      else if (accept(`${path}/${entry.name}`)) found.push(`${path}/${entry.name}`);
    }
  };
  paths.forEach(visit);
  return found.sort();
}

/** A digest of the names and contents of files and of any further text that the result depends on. */
export function digest(files, ...text) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.update(text.join('\0')).digest('hex');
}

export const readStamp = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

export function writeStamp(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Runs `body` while no other set-up of this checkout runs; a lock whose owner died is taken over. */
export async function withLock(path, body) {
  mkdirSync(dirname(path), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readStamp(path));
    // An empty lock is one whose owner has not yet written its number.
    if (owner && !isAlive(owner)) rmSync(path, { force: true });
    else if (!waited) console.error('setup: waiting for another set-up of this checkout to finish');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    return await body();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Whether this module is the program that node was started with, not an import of another. */
export const isMain = (meta) => realpathSync(process.argv[1] ?? '.') === realpathSync(fileURLToPath(meta.url));

/** Runs the main function of a script: a SetupError becomes one line, and the result the exit code. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`tilegrad: ${error.message}`);
    process.exitCode = 1;
  }
}
