// Runs a program of test/programs in a Node process of its own, against dist/ as users have it.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ending {
  /** The exit code, or the signal that ended the process. */
  ended: number | string | null;
  stdout: string;
  stderr: string;
}

/** Resolves when the process has ended; after `timeout` ms it is killed, which shows as 'SIGKILL'. */
export function runProgram(
  name: string,
  args: readonly string[] = [],
  { env = {}, timeout = 45_000, nodeArgs = [] as readonly string[] } = {},
): Promise<Ending> {
  return runFile(fileURLToPath(new URL(`../programs/${name}`, import.meta.url)), args, { env, timeout, nodeArgs });
}

/** The same for a program by its path. */
export function runFile(
  program: string,
  args: readonly string[] = [],
  { env = {}, timeout = 45_000, nodeArgs = [] as readonly string[] } = {},
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArgs, program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (part) => (text.stdout += part));
    child.stderr.setEncoding('utf8').on('data', (part) => (text.stderr += part));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ended: signal ?? code, ...text }));
  });
}

/** Why a test that measures time or memory means nothing here, or false. */
export const unmeasurable: string | false = process.env.TILEGRAD_SANITIZE
  ? `measures time or memory, which ${process.env.TILEGRAD_SANITIZE} sanitizers distort`
  : false;
