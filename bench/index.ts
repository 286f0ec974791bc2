// npm run bench: times ops and training steps on this machine, beside PyTorch where it is installed.
import { writeFileSync } from 'node:fs';
import { cli, cudaIsAvailable, device, getNumThreads, setNumThreads } from 'tilegrad';
import { compareDevices } from './devices.ts';
import { describeMachine, type Floor, type Machine, measureFlops, printMachine } from './machine.ts';
import { type Options, readOptions, UsageError } from './options.ts';
import type { BenchRow } from './suite.ts';
import { suites } from './suites/index.ts';
import { milliseconds } from './milliseconds.ts';
import { type Comparison, timeRow, type Timing } from './timing.ts';
import { findTorch, Torch } from './torch.ts';

interface Result extends Comparison {
  suite: string;
  name: string;
  threads: number;
  /** The part of the measured peak that is reached, of the arithmetic or of the memory, whichever bounds the row. */
  percentOfPeak: number | null;
  /** The peak that was measured around this row: operations and bytes per second. */
  peak: { flops: number; bytes: number };
  gflops: number | null;
  gbytes: number | null;
  cuda: Timing | null;
}

function result(suite: string, row: BenchRow, floor: Floor, times: Comparison, cuda: Timing | null): Result {
  const seconds = times.ours.median / 1e3;
  const bound = Math.max((row.flops ?? 0) / floor.flops, (row.bytes ?? 0) / floor.bytes);
  return {
    suite,
    name: row.name,
    threads: floor.threads,
    ...times,
    percentOfPeak: bound > 0 ? (100 * bound) / seconds : null,
    peak: { flops: floor.flops, bytes: floor.bytes },
    gflops: row.flops ? row.flops / seconds / 1e9 : null,
    gbytes: row.bytes ? row.bytes / seconds / 1e9 : null,
    cuda,
  };
}

function printResults(name: string, results: readonly Result[], torch: boolean, cuda: boolean): void {
  const number = (value: number | null, digits: number, unit = '') =>
    value === null ? '' : `${value.toFixed(digits)}${unit}`;
  const header = ['row', 'threads', 'ms', '±', 'GFLOP/s', 'GB/s', 'of peak'];
  if (torch) header.push('PyTorch ms', '±', 'ratio', 'of fastest', 'of cpu time');
  if (cuda) header.push('cuda ms', 'cpu/cuda');
  const rows = results.map((r) => {
    const cells = [r.name, `${r.threads}`, milliseconds(r.ours.median), number(100 * r.ours.spread, 0, '%')];
    cells.push(number(r.gflops, 1), number(r.gbytes, 1), number(r.percentOfPeak, 0, '%'));
    if (torch)
      cells.push(
        r.torch ? milliseconds(r.torch.median) : '',
        r.torch ? number(100 * r.torch.spread, 0, '%') : '',
        number(r.ratio, 2),
        number(r.bestRatio, 2),
        number(r.torchCpu && r.torchCpu / r.oursCpu, 2),
      );
    if (cuda)
      cells.push(r.cuda ? milliseconds(r.cuda.median) : '', r.cuda ? number(r.ours.median / r.cuda.median, 2) : '');
    return cells;
  });
  console.log(`\n${name}\n${cli.formatTable(header, rows)}\n`);
}

async function runSuite(name: string, machine: Machine, options: Options, torch: Torch | null): Promise<Result[]> {
  const rows = await (suites.find((suite) => suite.name === name) as (typeof suites)[number]).rows();
  const cuda = cudaIsAvailable() ? device('cuda') : null;
  const results: Result[] = [];
  for (const row of rows) {
    if (!options.filter.test(`${name} ${row.name}`)) continue;
    const timing = { rounds: options.rounds, seconds: options.seconds };
    const onCuda =
      cuda && (await timeRow(`${name}: ${row.name}, cuda`, row, { ...timing, device: cuda, threads: 1, torch: null }));
    for (const floor of machine.floors) {
      const { threads } = floor;
      setNumThreads(threads);
      const title = `${name}: ${row.name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
      const before = measureFlops();
      const times = await timeRow(title, row, { ...timing, device: device('cpu'), threads, torch });
      // Clocks drift with the load of the machine: the peak is that around the row.
      const near = { ...floor, flops: Math.max(before, measureFlops()) };
      results.push(result(name, row, near, times, onCuda?.ours ?? null));
    }
  }
  if (results.length > 0) printResults(name, results, torch !== null, cuda !== null);
  return results;
}

async function main(): Promise<void> {
  const before = getNumThreads();
  const options = readOptions(
    process.argv.slice(2),
    suites.map((suite) => suite.name),
  );
  if (!options) return;
  if (options.devices) return compareDevices(options.filter, options.seconds);
  const found = options.torch ? findTorch() : null;
  const machine = describeMachine(options.threads, found?.version ?? null);
  printMachine(machine);
  if (!found) console.log(`no comparison with PyTorch: ${options.torch ? 'no Python here has it' : '--no-torch'}`);
  if (!cudaIsAvailable()) console.log('no comparison with a GPU: there is none');
  const torch = found && new Torch(found.python, Math.max(...options.threads));
  const results: Result[] = [];
  try {
    for (const name of options.suites) results.push(...(await runSuite(name, machine, options, torch)));
  } finally {
    torch?.close();
    setNumThreads(before);
  }
  if (results.length === 0) throw new UsageError(`no row matches ${options.filter}`);
  if (torch)
    console.log(
      "ratio: PyTorch's time over ours, the median over rounds of neighbouring blocks, of the fastest samples, and of processor time",
    );
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine, rows: results }, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  const mistake = error instanceof UsageError || error instanceof SyntaxError;
  if (!mistake && !(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}
