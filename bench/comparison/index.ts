// npm run bench:peers: ours and other libraries on the same shapes, in blocks that alternate, in one table.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cli, device, getNumThreads, setNumThreads } from 'tilegrad';
import { describeMachine, type Floor, measureFlops, printMachine } from '../machine.ts';
import { positive, UsageError } from '../options.ts';
import type { PeerProcess } from '../peer_process.ts';
import { milliseconds } from '../milliseconds.ts';
import { summarize } from '../timing.ts';
import { type PeerCase, peerCases } from './cases.ts';
import { findPeers, type PeerName, requestLine, wordPeers } from './peers.ts';

const help = `npm run bench:peers -- [options]
  --filter REGEX    only cases whose name matches
  --threads LIST    numbers of threads (1 and all cores)
  --rounds N        blocks of each library per case, in turn (5)
  --seconds S       length of one block (0.1)
  --peers REGEX     only peers whose name matches (all that this machine has); 'none' for ours alone
  --json FILE       writes the table as JSON
  --list            prints the names of the cases
The first run installs the packages of bench/peers and compiles its C++ programs.`;

/** One line of the table; times in milliseconds per run. */
interface Result {
  case: string;
  threads: number;
  ours_ms: number;
  peers: Record<string, number>;
  best_peer: string | null;
  /** The best peer's time over ours. */
  ratio: number | null;
  /** Of the measured peak, of the arithmetic or of the memory, whichever bounds the case. */
  percent_of_peak: number | null;
}

// Until JavaScript is compiled.
const warmUpSeconds = 0.2;

interface Timing {
  rounds: number;
  seconds: number;
}

/** Seconds per run of several short batches: what the peers do in their own processes. */
async function timeOurs(run: () => void, seconds: number): Promise<number[]> {
  const cpu = device('cpu');
  const batch = async (runs: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < runs; i++) run();
    await cpu.sync();
    return (performance.now() - start) / 1e3;
  };
  await batch(3);
  const runs = Math.max(1, Math.floor(0.02 / ((await batch(2)) / 2)));
  const times: number[] = [];
  const stop = performance.now() + 1e3 * seconds;
  while (times.length === 0 || performance.now() < stop) times.push((await batch(runs)) / runs);
  return times;
}

async function timeCase(one: PeerCase, floor: Floor, started: Map<PeerName, PeerProcess>, timing: Timing) {
  const run = one.prepare(device('cpu'));
  await timeOurs(run, warmUpSeconds);
  const ours: number[] = [];
  const theirs = new Map<PeerName, number[]>();
  const failed = new Map<PeerName, string>();
  let { flops } = floor;
  for (let round = 0; round < timing.rounds; round++) {
    flops = Math.max(flops, measureFlops());
    ours.push(...(await timeOurs(run, timing.seconds)));
    for (const [name, peer] of started) {
      const request = one.requests[name];
      if (!request || failed.has(name)) continue;
      try {
        const { seconds } = await peer.time(requestLine(request, floor.threads, timing.seconds));
        theirs.set(name, [...(theirs.get(name) ?? []), ...seconds]);
      } catch (error) {
        failed.set(name, (error as Error).message);
      }
    }
  }
  for (const message of failed.values()) console.log(message);
  return result(one, { ...floor, flops }, ours, theirs);
}

function result(one: PeerCase, floor: Floor, ours: number[], theirs: Map<PeerName, number[]>): Result {
  const { calls } = one;
  const ours_ms = summarize(ours).median / (calls?.ours ?? 1);
  const peers: Record<string, number> = {};
  for (const [name, seconds] of theirs) peers[name] = summarize(seconds).median / (calls?.peers[name] ?? 1);
  const best = Object.entries(peers).sort((a, b) => a[1] - b[1])[0];
  const bound = Math.max((one.flops ?? 0) / floor.flops, (one.bytes ?? 0) / floor.bytes);
  return {
    case: one.name,
    threads: floor.threads,
    ours_ms,
    peers,
    best_peer: best?.[0] ?? null,
    ratio: best ? best[1] / ours_ms : null,
    percent_of_peak: bound > 0 ? (1e5 * bound) / ours_ms : null,
  };
}

function printTable(results: readonly Result[], names: readonly PeerName[]): void {
  const header = ['case', 'threads', 'ours ms', ...names, 'best peer', 'ratio', 'of peak'];
  const rows = results.map((r) => [
    r.case,
    `${r.threads}`,
    milliseconds(r.ours_ms),
    ...names.map((name) => (r.peers[name] === undefined ? '' : milliseconds(r.peers[name]))),
    r.best_peer ?? '',
    r.ratio === null ? '' : r.ratio.toFixed(2),
    r.percent_of_peak === null ? '' : `${r.percent_of_peak.toFixed(0)}%`,
  ]);
  console.log(`\n${cli.formatTable(header, rows)}\n\nratio: the best peer's time over ours; above 1 ours is faster`);
}

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      filter: { type: 'string', default: '' },
      threads: { type: 'string', default: [...new Set([1, getNumThreads()])].join(',') },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '0.1' },
      peers: { type: 'string', default: '' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    help: values.help,
    list: values.list,
    filter: new RegExp(values.filter, 'i'),
    threads: values.threads.split(',').map((text) => positive('threads', text, true)),
    timing: {
      rounds: positive('rounds', values.rounds, true),
      seconds: positive('seconds', values.seconds, false),
    },
    peers: new RegExp(values.peers, 'i'),
    json: values.json,
  };
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(help);
  const cases = peerCases().filter(({ name }) => options.filter.test(name));
  if (options.list) return console.log(cases.map(({ name }) => name).join('\n'));
  if (cases.length === 0) throw new UsageError(`no case matches ${options.filter}`);
  const before = getNumThreads();
  const found = findPeers(options.peers);
  const asked = new Set(cases.flatMap(({ requests }) => Object.keys(requests)));
  const machine = describeMachine(options.threads, null);
  printMachine(machine);
  for (const { name, version } of found) console.log(`${name}: ${version}`);
  const results: Result[] = [];
  for (const floor of machine.floors) {
    setNumThreads(floor.threads);
    const started = new Map<PeerName, PeerProcess>();
    for (const { name, start } of found) if (start && asked.has(name)) started.set(name, start(floor.threads));
    try {
      // Until it has loaded, a peer computes beside the others; none knows this case, and each says so when it is ready.
      for (const [name, peer] of started)
        await peer.ask(requestLine(wordPeers.has(name) ? 'ready' : { kind: 'ready' }, floor.threads, 0));
      for (const one of cases) {
        const line = await timeCase(one, floor, started, options.timing);
        results.push(line);
        console.log(`${line.case}, ${line.threads}: ${milliseconds(line.ours_ms)} ms, ratio ${line.ratio?.toFixed(2)}`);
      }
    } finally {
      for (const peer of started.values()) peer.close();
    }
  }
  setNumThreads(before);
  const order = cases.map(({ name }) => name);
  results.sort((a, b) => order.indexOf(a.case) - order.indexOf(b.case) || a.threads - b.threads);
  printTable(results, [...new Set(found.filter(({ start }) => start).map(({ name }) => name))]);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  const mistake = error instanceof UsageError || error instanceof SyntaxError;
  if (!mistake && !(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`bench:peers: ${(error as Error).message}`);
  process.exitCode = 1;
}
