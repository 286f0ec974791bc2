// PyTorch in a child process. Its OpenMP threads spin for a while after each kernel, so it is stopped by a signal
// while ours runs, and both are timed in blocks that alternate.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TorchCase } from './suite.ts';

const program = fileURLToPath(new URL('../../../bench/peers/torch_cases.py', import.meta.url));

/** The Python that has PyTorch, with its version; null where none has. */
export function findTorch(): { python: string; version: string } | null {
  for (const python of [process.env.PYTHON, 'python3', '/usr/bin/python3']) {
    if (!python) continue;
    const { status, stdout } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], {
      encoding: 'utf8',
    });
    if (status === 0) return { python, version: stdout.trim() };
  }
  return null;
}

/** Seconds per run of several short batches of runs: on the clock, and of the processor over all threads. */
export interface TorchTimes {
  seconds: number[];
  cpu: number[];
}

export class Torch {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(python: string, threads: number) {
    const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
    this.#child = spawn(python, ['-u', program], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#answers = lines[Symbol.asyncIterator]();
  }

  async time(torchCase: TorchCase, threads: number, seconds: number): Promise<TorchTimes> {
    this.#child.kill('SIGCONT');
    this.#child.stdin?.write(`${JSON.stringify({ case: torchCase, threads, seconds })}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the PyTorch process ended early');
    const answer = JSON.parse(value) as TorchTimes | { error: string };
    this.#child.kill('SIGSTOP');
    if ('error' in answer) throw new Error(`PyTorch, ${JSON.stringify(torchCase)}: ${answer.error}`);
    return answer;
  }

  close(): void {
    this.#child.kill('SIGCONT');
    this.#child.stdin?.end();
  }
}
