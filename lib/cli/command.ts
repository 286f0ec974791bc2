// What the program `tilegrad` asks of each of its commands.

/** Exit codes: done, failed, called wrongly, and stopped by Ctrl-C as shells count it. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

export interface Command {
  /** The call and the options, for `tilegrad COMMAND --help`. */
  readonly help: string;
  /** Runs the command and gives its exit code; throws a UsageError for a wrong call. */
  run(args: readonly string[]): Promise<number>;
}

/**
 * Gives `work` a signal that the first Ctrl-C (SIGINT) or SIGTERM raises, so that it can end in good order; the second ends
 * the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] as const;
  const release = () => {
    for (const name of names) process.off(name, stop);
  };
  const stop = () => {
    // Without a listener the next signal has its usual effect.
    release();
    controller.abort();
  };
  for (const name of names) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    release();
  }
}
