// `tilegrad bench`: how long operations take here, and from which sizes on a GPU is worth it.
import { type Device, type DeviceName, device, devices, getNumThreads, measurePeak, setNumThreads } from '../device.ts';
import { addWork, type BenchWork, matmulWork, opWork, stepWork } from './bench_rows.ts';
import { type Command, exitCodes, interruptible } from './command.ts';
import { systemInfo } from './info.ts';
import { expectChoice, formatOptions, parseOptions, UsageError } from './options.ts';
import { formatTable } from './table.ts';
import { formatSignificant } from './terminal.ts';

const options = {
  filter: { kind: 'text', value: 'REGEX', default: '', help: 'only rows whose name matches' },
  threads: { kind: 'whole', value: 'N', least: 1, help: 'threads of the CPU (one per core)' },
  seconds: { kind: 'number', value: 'S', least: 0.001, default: 0.3, help: 'how long each row is timed' },
  json: { kind: 'flag', help: 'the figures for programs' },
} as const;

const tables = ['ops', 'devices'] as const;

/** Milliseconds per run: the median over blocks, and the distance of the quartiles as a part of it. */
export interface BenchTime {
  ms: number;
  spread: number;
}

/** A row of the table of operations. Rates are null where the work is not counted. */
export interface OpTime extends BenchTime {
  name: string;
  gflops: number | null;
  gbytes: number | null;
  /** Of the peak of arithmetic or memory that was measured, whichever bounds the row. */
  percentOfPeak: number | null;
}

/** One kind of work at growing sizes on the CPU and on a GPU. */
export interface DeviceTimes {
  work: string;
  device: string;
  sizes: { size: number; name: string; cpuMs: number; deviceMs: number }[];
  /** The smallest size from which on the GPU is faster at every size; null if there is none. */
  crossover: number | null;
}

/** What `tilegrad bench --json` prints. */
export interface BenchResult {
  processor: string;
  threads: number;
  /** Operations and bytes per second, measured. */
  peak: { flops: number; bytes: number };
  ops: OpTime[];
  devices: DeviceTimes[];
  /** Why there is no comparison of devices; empty where there is one. */
  noDevices: string;
  interrupted: boolean;
}

const blockMs = 20;

/** Times `run` in blocks of about 20 ms for `seconds`, after runs that warm up. Waits for the device after each block. */
async function timeRuns(run: () => void, place: Device, seconds: number, signal: AbortSignal): Promise<BenchTime> {
  const block = async (runs: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < runs; i++) run();
    await place.sync();
    return performance.now() - start;
  };
  let runs = 1;
  let took = await block(1);
  for (took = await block(1); took < blockMs / 4; took = await block(runs)) runs *= 4;
  runs = Math.max(1, Math.round((runs * Math.min(blockMs, seconds * 1e3)) / took));
  const times: number[] = [];
  const end = performance.now() + seconds * 1e3;
  do times.push((await block(runs)) / runs);
  while (performance.now() < end && !signal.aborted);
  times.sort((a, b) => a - b);
  const at = (q: number) => times[Math.min(times.length - 1, Math.floor(q * times.length))] as number;
  return { ms: at(0.5), spread: (at(0.75) - at(0.25)) / at(0.5) };
}

function opTime({ name, flops, bytes }: BenchWork, time: BenchTime, peak: BenchResult['peak']): OpTime {
  const seconds = time.ms / 1e3;
  const least = Math.max((flops ?? 0) / peak.flops, (bytes ?? 0) / peak.bytes);
  return {
    name,
    ...time,
    gflops: flops === undefined ? null : flops / seconds / 1e9,
    gbytes: bytes === undefined ? null : bytes / seconds / 1e9,
    percentOfPeak: least > 0 ? (100 * least) / seconds : null,
  };
}

/** The smallest size from which on the second time is the smaller one at every size; null if there is none. */
export function crossover(sizes: DeviceTimes['sizes']): number | null {
  const last = sizes.findLastIndex(({ cpuMs, deviceMs }) => deviceMs >= cpuMs);
  return sizes[last + 1]?.size ?? null;
}

const scaled: readonly { work: string; sizes: readonly number[]; at: (size: number) => BenchWork }[] = [
  { work: 'matmul', sizes: [64, 128, 256, 512, 1024, 2048, 4096], at: matmulWork },
  { work: 'add', sizes: [10, 12, 14, 16, 18, 20, 22, 24].map((power) => 2 ** power), at: addWork },
  { work: 'lenet5 training step', sizes: [8, 32, 128, 512, 2048], at: (size) => stepWork('lenet5', size) },
];

const longestRunMs = 1000;

async function compare(place: Device, filter: RegExp, seconds: number, signal: AbortSignal): Promise<DeviceTimes[]> {
  const found: DeviceTimes[] = [];
  for (const { work, sizes, at } of scaled) {
    if (!filter.test(work)) continue;
    const times: DeviceTimes['sizes'] = [];
    for (const size of sizes) {
      if (signal.aborted) break;
      const row = at(size);
      const [cpuMs, deviceMs] = [
        (await timeRuns(row.prepare(device('cpu')), device('cpu'), seconds, signal)).ms,
        (await timeRuns(row.prepare(place), place, seconds, signal)).ms,
      ];
      times.push({ size, name: row.name, cpuMs, deviceMs });
      // The next size takes several times as long.
      if (Math.max(cpuMs, deviceMs) > longestRunMs) break;
    }
    if (times.length > 0) found.push({ work, device: String(place), sizes: times, crossover: crossover(times) });
  }
  return found;
}

const milliseconds = (ms: number): string => formatSignificant(ms, 3);
const rate = (value: number | null, digits = 1): string => (value === null ? '' : value.toFixed(digits));

function formatOps(ops: readonly OpTime[]): string {
  const rows = ops.map((row) => [
    row.name,
    milliseconds(row.ms),
    `${(100 * row.spread).toFixed(0)} %`,
    rate(row.gflops),
    rate(row.gbytes),
    row.percentOfPeak === null ? '' : `${rate(row.percentOfPeak, 0)} %`,
  ]);
  return formatTable(['operation', 'ms', '±', 'GFLOP/s', 'GB/s', 'of peak'], rows);
}

function formatDevices(times: readonly DeviceTimes[]): string {
  const rows = times.flatMap(({ device: name, sizes }) =>
    sizes.map((row) => [
      row.name,
      name,
      milliseconds(row.cpuMs),
      milliseconds(row.deviceMs),
      rate(row.cpuMs / row.deviceMs, 2),
    ]),
  );
  const words = times.map(({ work, device: name, sizes, crossover: size }) => {
    const first = sizes.find((row) => row.size === size);
    return first
      ? `${name} is the faster one from ${first.name} on`
      : `${work}: ${name} was not faster at any size tried`;
  });
  return `${formatTable(['work', 'gpu', 'cpu ms', 'gpu ms', 'cpu / gpu'], rows)}\n${words.join('\n')}`;
}

async function measure(
  wanted: readonly string[],
  filter: RegExp,
  seconds: number,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<BenchResult> {
  const { flops, bytes } = measurePeak();
  const info = systemInfo();
  const processor = info.devices.find(({ name }) => name === 'cpu')?.description ?? '';
  const result: BenchResult = {
    processor,
    threads: getNumThreads(),
    peak: { flops, bytes },
    ops: [],
    devices: [],
    noDevices: '',
    interrupted: false,
  };
  say(`tilegrad ${info.version}, cpu: ${processor}`);
  say(`measured peak: ${rate(flops / 1e9, 0)} GFLOP/s f32, ${rate(bytes / 1e9)} GB/s`);
  if (wanted.includes('ops')) {
    for (const work of opWork) {
      if (signal.aborted) break;
      if (filter.test(work.name))
        result.ops.push(
          opTime(work, await timeRuns(work.prepare(device('cpu')), device('cpu'), seconds, signal), result.peak),
        );
    }
    if (result.ops.length > 0) say(`\n${formatOps(result.ops)}`);
  }
  if (wanted.includes('devices')) {
    const gpus = devices().filter(({ name, available }) => available && name.startsWith('cuda'));
    for (const { name } of gpus)
      result.devices.push(...(await compare(device(name as DeviceName), filter, seconds, signal)));
    const absent = info.devices.find(({ name, available }) => name.startsWith('cuda') && !available);
    if (gpus.length === 0) result.noDevices = absent ? absent.reason : 'there is no GPU';
    if (result.noDevices)
      say(`\nno comparison of CPU and GPU: ${result.noDevices}${absent?.remedy ? ` (${absent.remedy})` : ''}`);
    else if (result.devices.length > 0) say(`\n${formatDevices(result.devices)}`);
  }
  result.interrupted = signal.aborted;
  return result;
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args, options, tables.length);
  for (const table of positionals) expectChoice('the table', table, tables);
  let filter: RegExp;
  try {
    filter = new RegExp(values.filter, 'i');
  } catch (error) {
    throw new UsageError(`--filter is no regular expression: ${(error as Error).message}`);
  }
  const before = getNumThreads();
  if (values.threads !== undefined) setNumThreads(values.threads);
  try {
    return await interruptible(async (signal) => {
      const wanted = positionals.length > 0 ? positionals : tables;
      const result = await measure(wanted, filter, values.seconds, signal, values.json ? () => undefined : console.log);
      if (values.json) console.log(JSON.stringify(result, null, 2));
      if (result.interrupted) return exitCodes.interrupted;
      if (result.ops.length + result.devices.length > 0 || values.filter === '') return exitCodes.done;
      throw new UsageError(`no row matches --filter ${values.filter}`);
    });
  } finally {
    setNumThreads(before);
  }
}

export const bench: Command = {
  help: `tilegrad bench [ops] [devices] [OPTIONS]
Times operations on this CPU (ops), and finds the sizes from which on a GPU is faster (devices). Without a name: both.
${formatOptions(options)}`,
  run,
};
