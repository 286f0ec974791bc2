#!/usr/bin/env node
// The program `tilegrad`. Commands are loaded when they are called, so that a library that cannot be loaded is told in words.
import { nearest, TilegradError } from '../error.ts';
import { version } from '../version.ts';
import { type Command, exitCodes } from './command.ts';
import { UsageError } from './options.ts';

interface Entry {
  /** One line for the list of commands. */
  readonly summary: string;
  load(): Promise<Command>;
}

const commands: ReadonlyMap<string, Entry> = new Map([
  [
    'info',
    {
      summary: 'what is installed, which devices there are, and why one is absent',
      load: async () => (await import('./info_command.ts')).info,
    },
  ],
  [
    'train',
    {
      summary: 'trains a model on handwritten digits or clothes, and saves it',
      load: async () => (await import('./train.ts')).train,
    },
  ],
  [
    'bench',
    {
      summary: 'times operations on this machine, and compares CPU and GPU',
      load: async () => (await import('./bench.ts')).bench,
    },
  ],
]);

function help(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length)) + 3;
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  return [
    'tilegrad COMMAND [OPTIONS]',
    '',
    ...lines,
    '',
    'tilegrad COMMAND --help tells the options of a command, tilegrad --version the version.',
    'Exit codes: 0 done, 1 failed, 2 wrong call, 130 stopped by Ctrl-C.',
  ].join('\n');
}

/** Runs the program and gives its exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    if (name === undefined) console.error(help());
    else console.log(help());
    return name === undefined ? exitCodes.usage : exitCodes.done;
  }
  if (name === '--version' || name === '-v') {
    console.log(version);
    return exitCodes.done;
  }
  const entry = commands.get(name);
  if (!entry) {
    const near = nearest(name, [...commands.keys(), '--help', '--version']);
    const what = name.startsWith('-') ? 'option' : 'command';
    throw new UsageError(`unknown ${what} '${name}'${near ? `, did you mean '${near}'?` : ''}; see tilegrad --help`);
  }
  const command = await entry.load();
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(command.help);
    return exitCodes.done;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) error.message += `; see tilegrad ${name} --help`;
    throw error;
  }
}

// A reader that closes the pipe early (`tilegrad bench | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError;
  // A mistake of the user or of the machine needs its sentence; a stack belongs to a fault of the library.
  if (!usage && !(error instanceof TilegradError)) throw error;
  console.error(`tilegrad: ${error.message}`);
  process.exitCode = usage ? exitCodes.usage : exitCodes.failed;
}
