// Another library in a child process. Its idle threads spin for a while after each kernel, so it is stopped by a signal
// while others run, and all are timed in blocks that alternate.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Seconds per run of several short batches of runs: on the clock, and of the processor over all threads. */
export interface PeerTimes {
  seconds: number[];
  cpu: number[];
}

export class PeerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(name: string, command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.name = name;
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Sends one line and waits for the answer, after which the process is stopped. */
  async ask(request: string): Promise<PeerTimes | { error: string }> {
    this.#child.kill('SIGCONT');
    this.#child.stdin?.write(`${request}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the process of ${this.name} ended early`);
    this.#child.kill('SIGSTOP');
    return JSON.parse(value) as PeerTimes | { error: string };
  }

  /** Asks for times; throws what the other side says of a case that fails. */
  async time(request: string): Promise<PeerTimes> {
    const answer = await this.ask(request);
    if ('error' in answer) throw new Error(`${this.name}, ${request}: ${answer.error}`);
    return answer;
  }

  close(): void {
    this.#child.kill('SIGCONT');
    this.#child.stdin?.end();
  }
}
