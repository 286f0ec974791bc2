// Times one row: benny runs blocks of ours, between which PyTorch runs its own.
import { add, configure, suite } from 'benny';
import type { Device } from 'tilegrad';
import type { BenchRow } from './suite.ts';
import type { Torch } from './torch.ts';

/** Milliseconds per run: the median, the fastest, and the distance of the quartiles as a part of the median. */
export interface Timing {
  median: number;
  min: number;
  spread: number;
  samples: number;
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;

export function summarize(seconds: readonly number[]): Timing {
  const sorted = seconds.map((s) => s * 1e3).sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  const spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median;
  return { median, min: sorted[0] as number, spread, samples: sorted.length };
}

// Not the least: the system counts in ticks of milliseconds, so that single samples come out too small as well.
const middle = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

export interface Comparison {
  ours: Timing;
  torch: Timing | null;
  /** PyTorch's time over ours: the median over the rounds, each of which compares two neighbouring blocks. */
  ratio: number | null;
  /** PyTorch's fastest batch over our fastest: what is left of the ratio on a machine with other work. */
  bestRatio: number | null;
  /** Median processor time of all threads, milliseconds per run: what other work on the machine disturbs less. */
  oursCpu: number;
  torchCpu: number | null;
}

// Long enough that waking threads does not count.
const sampleSeconds = 0.02;

/** How many runs make one sample of a few milliseconds, after a run that warms up. */
async function runsPerSample(run: () => void, device: Device): Promise<number> {
  for (let runs = 1; ; runs *= 4) {
    const start = performance.now();
    for (let i = 0; i < runs; i++) run();
    await device.sync();
    const seconds = (performance.now() - start) / 1e3;
    if (runs > 1 && seconds > sampleSeconds / 8) return Math.max(1, Math.round((sampleSeconds * runs) / seconds));
    if (runs === 1 && seconds > 4 * sampleSeconds) return 1;
  }
}

export interface TimingOptions {
  device: Device;
  threads: number;
  rounds: number;
  seconds: number;
  torch: Torch | null;
}

/** Runs the blocks of one row in turn: ours, PyTorch's, ours, ... */
export async function timeRow(title: string, row: BenchRow, options: TimingOptions): Promise<Comparison> {
  const { device, threads, seconds } = options;
  const run = row.prepare(device);
  const runs = await runsPerSample(run, device);
  const peer = row.torch && options.torch;
  const torchBlocks: number[][] = [];
  const oursCpu: number[] = [];
  const torchCpu: number[] = [];
  // benny calls every case once to learn that it is asynchronous; PyTorch must not be asked twice at a time then.
  let started = false;
  const blocks = Array.from({ length: options.rounds }, (_, round) => {
    const ours = add(
      `block ${round + 1}`,
      async () => {
        if (!started) return;
        const before = process.cpuUsage();
        for (let i = 0; i < runs; i++) run();
        await device.sync();
        const { user, system } = process.cpuUsage(before);
        oursCpu.push((user + system) / 1e3 / runs);
      },
      { delay: 0, minSamples: 3, minTime: sampleSeconds / 4, maxTime: seconds },
    );
    if (!peer) return [ours];
    const theirs = add(
      `PyTorch ${round + 1}`,
      async () => {
        if (!started || torchBlocks[round]) return;
        const times = await peer.time(row.torch as NonNullable<typeof row.torch>, threads, seconds);
        torchBlocks[round] = times.seconds;
        torchCpu.push(...times.cpu.map((s) => s * 1e3));
      },
      { delay: 0, minSamples: 1, minTime: 1e-6, maxTime: 1e-6 },
    );
    return [ours, theirs];
  });
  const begin = async () => {
    return (target: Parameters<Awaited<ReturnType<ReturnType<typeof add>>>>[0]) => {
      started = true;
      return target;
    };
  };
  const summary = await suite(title, ...blocks.flat(), begin, configure({ minDisplayPrecision: 2 }));
  const ourBlocks = summary.results
    .filter((result) => result.name.startsWith('block'))
    .map((result) => result.details.sampleResults.map((s) => s / runs));
  const ours = summarize(ourBlocks.flat());
  if (!peer) return { ours, torch: null, ratio: null, bestRatio: null, oursCpu: middle(oursCpu), torchCpu: null };
  const ratios = ourBlocks.map((block, i) => summarize(torchBlocks[i] ?? []).median / summarize(block).median);
  ratios.sort((a, b) => a - b);
  const torch = summarize(torchBlocks.flat());
  return {
    ours,
    torch,
    ratio: quantile(ratios, 0.5),
    bestRatio: torch.min / ours.min,
    oursCpu: middle(oursCpu),
    torchCpu: middle(torchCpu),
  };
}
