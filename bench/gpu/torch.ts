// PyTorch on the same GPU, in a child process that is idle while ours runs.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../../bench/gpu/torch_gpu.py', import.meta.url));

export interface TorchRequest {
  case: Record<string, unknown>;
  runs: number;
  samples: number;
  sets: number;
}

export class TorchGpu {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(python: string, onCpu: boolean) {
    this.#child = spawn(python, ['-u', program, ...(onCpu ? ['--cpu'] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Seconds per run of each sample, or why PyTorch cannot do the case. */
  async time(request: TorchRequest): Promise<number[] | string> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the PyTorch process ended early');
    const answer = JSON.parse(value) as { seconds: number[] } | { error: string };
    return 'error' in answer ? answer.error : answer.seconds;
  }

  close(): void {
    this.#child.stdin?.end();
  }
}
