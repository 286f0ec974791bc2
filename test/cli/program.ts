// Calls the program `tilegrad` of dist/ as people and scripts do.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
export const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const program = fileURLToPath(new URL(manifest.bin.tilegrad, root));

export function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Starts the program and sends it `signal` when its output matches `when`. */
export function interrupt(args: readonly string[], when: RegExp, signal: NodeJS.Signals = 'SIGINT') {
  return new Promise<{ status: number | string | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000 });
    const text = { stdout: '', stderr: '' };
    let sent = false;
    const read = (name: 'stdout' | 'stderr') => (part: string) => {
      text[name] += part;
      if (!sent && when.test(text.stdout)) sent = child.kill(signal);
    };
    child.stdout.setEncoding('utf8').on('data', read('stdout'));
    child.stderr.setEncoding('utf8').on('data', read('stderr'));
    child.on('error', reject);
    child.on('close', (code, killed) => resolve({ status: killed ?? code, ...text }));
  });
}

/** What 'auto' says once on a machine without a GPU. */
export const withoutFallbackNote = (stderr: string): string => stderr.replace(/^tilegrad: running on the CPU.*\n/m, '');
