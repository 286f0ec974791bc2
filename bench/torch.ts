// PyTorch in a child process.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PeerProcess, type PeerTimes } from './peer_process.ts';
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

/** PyTorch, ready to time cases of bench/peers/torch_cases.py. */
export class Torch {
  readonly #process: PeerProcess;

  constructor(python: string, threads: number) {
    this.#process = new PeerProcess('PyTorch', python, ['-u', program], { OMP_NUM_THREADS: String(threads) });
  }

  async time(torchCase: TorchCase, threads: number, seconds: number): Promise<PeerTimes> {
    return this.#process.time(JSON.stringify({ case: torchCase, threads, seconds }));
  }

  close(): void {
    this.#process.close();
  }
}
