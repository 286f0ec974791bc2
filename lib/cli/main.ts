#!/usr/bin/env node
// The program `tilegrad`.
import { parseArgs } from 'node:util';
import { nearest, TilegradError } from '../error.ts';
import { formatInfo, systemInfo } from './info.ts';

interface Command {
  /** One line for the list of commands. */
  summary: string;
  help: string;
  run(args: string[]): number;
}

function info(args: string[]): number {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  const found = systemInfo();
  console.log(values.json ? JSON.stringify(found, null, 2) : formatInfo(found));
  return 0;
}

const commands = new Map<string, Command>([
  [
    'info',
    {
      summary: 'what is installed, which devices there are, and why one is absent',
      help: 'tilegrad info [--json]\n  --json   the same for programs',
      run: info,
    },
  ],
]);

function help(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length)) + 2;
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  return [
    'tilegrad COMMAND [OPTIONS]',
    '',
    ...lines,
    '',
    'tilegrad COMMAND --help tells the options of a command.',
  ].join('\n');
}

/** Runs the program and gives its exit code: 0, or 2 for a wrong call. */
function main(args: string[]): number {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    console.log(help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    console.log(systemInfo().version);
    return 0;
  }
  const command = commands.get(name);
  if (!command) {
    const near = nearest(name, [...commands.keys()]);
    throw new TilegradError(
      'ERR_ARGUMENT',
      `unknown command '${name}'${near ? `, did you mean '${near}'?` : ''}; see tilegrad --help`,
    );
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(command.help);
    return 0;
  }
  return command.run(rest);
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  if (!(error instanceof TilegradError) && !code?.startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`tilegrad: ${message}`);
  process.exitCode = 2;
}
