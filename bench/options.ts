// The command line of npm run bench.
import { parseArgs } from 'node:util';
import { getNumThreads } from 'tilegrad';

const help = `npm run bench -- [SUITE...] [options]
npm run bench -- devices [--filter REGEX] [--seconds S]
  SUITE...          which suites to run (all): SUITES
  --filter REGEX    only rows whose "suite name" matches
  --threads LIST    numbers of threads (1 and all cores)
  --rounds N        blocks per row; PyTorch's alternate with ours (5)
  --seconds S       length of one block (0.1)
  --json FILE       writes machine and rows as JSON
  --no-torch        without the comparison with PyTorch
devices compares the CPU with the GPU over a range of sizes.
PyTorch is looked for in $PYTHON, python3 and /usr/bin/python3.`;

export interface Options {
  suites: string[];
  /** Compares devices instead of running suites. */
  devices: boolean;
  filter: RegExp;
  threads: number[];
  rounds: number;
  seconds: number;
  json: string | undefined;
  torch: boolean;
}

/** A mistake on the command line. */
export class UsageError extends Error {}

/** The number that an option gives; throws a UsageError where it is none. */
export function positive(name: string, text: string, whole: boolean): number {
  const value = Number(text);
  if (value > 0 && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(`--${name}: '${text}' is not a positive ${whole ? 'whole ' : ''}number`);
}

/** The options, or null where help was asked for and printed. */
export function readOptions(args: string[], suites: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      filter: { type: 'string', default: '' },
      threads: { type: 'string', default: [...new Set([1, getNumThreads()])].join(',') },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '0.1' },
      json: { type: 'string' },
      'no-torch': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help.replace('SUITES', suites.join(', ')));
    return null;
  }
  const devices = positionals.length === 1 && positionals[0] === 'devices';
  const unknown = devices ? undefined : positionals.find((name) => !suites.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no suite '${unknown}'; there are ${suites.join(', ')}`);
  return {
    devices,
    suites: positionals.length > 0 ? positionals : [...suites],
    filter: new RegExp(values.filter, 'i'),
    threads: values.threads.split(',').map((text) => positive('threads', text, true)),
    rounds: positive('rounds', values.rounds, true),
    seconds: positive('seconds', values.seconds, false),
    json: values.json,
    torch: !values['no-torch'],
  };
}
