// Times one row on the device: ours and PyTorch's in blocks that alternate, on the same number of sets of inputs.
import { type Device, Scope, setFloat32MatmulPrecision } from 'tilegrad';
import { summarize, type Timing } from '../timing.ts';
import type { GpuRow } from './rows.ts';
import type { TorchGpu } from './torch.ts';

export interface Options {
  /** Seconds of one sample, so long that waiting for the device counts little. */
  sample: number;
  samples: number;
  blocks: number;
}

export interface GpuResult {
  group: GpuRow['group'];
  name: string;
  precision: GpuRow['precision'];
  flops: number;
  bytes: number;
  ours: Timing | null;
  torch: Timing | null;
  /** PyTorch's time over ours, the medians of neighbouring blocks; null without one of the two. */
  ratio: number | null;
  /** Why a side has no time. */
  remarks: string[];
}

// More than any second-level cache holds, so that a run does not find its inputs there.
const rotation = 256 << 20;
const mostSets = 8;

async function sample(runs: readonly (() => void)[], count: number, device: Device): Promise<number> {
  await device.sync();
  const start = performance.now();
  for (let i = 0; i < count; i++) (runs[i % runs.length] as () => void)();
  await device.sync();
  return (performance.now() - start) / 1e3 / count;
}

/** How many runs fill a sample. */
async function runsPerSample(runs: readonly (() => void)[], device: Device, seconds: number): Promise<number> {
  for (let count = 1; ; count *= 2) {
    const each = await sample(runs, count, device);
    if (each * count > seconds / 4 || count >= 1 << 16) return Math.max(1, Math.round(seconds / each));
  }
}

export async function timeRow(
  row: GpuRow,
  device: Device,
  torch: TorchGpu | null,
  options: Options,
): Promise<GpuResult> {
  const { group, name, precision, flops, bytes } = row;
  const result: GpuResult = { group, name, precision, flops, bytes, ours: null, torch: null, ratio: null, remarks: [] };
  const sets = Math.min(mostSets, Math.max(1, Math.ceil(rotation / Math.max(1, bytes))));
  setFloat32MatmulPrecision(precision === 'tf32' ? 'medium' : precision === 'tf32x3' ? 'high' : 'highest');
  const scope = new Scope();
  let runs: (() => void)[] = [];
  let count = 1;
  try {
    runs = scope.run(() => Array.from({ length: sets }, () => row.prepare(device)));
    for (const run of runs) run();
    await device.sync();
    count = await runsPerSample(runs, device, options.sample);
  } catch (error) {
    runs = [];
    result.remarks.push(`ours: ${(error as Error).message}`);
  }
  const [ours, theirs, ratios]: [number[], number[], number[]] = [[], [], []];
  for (let block = 0; block < options.blocks; block++) {
    const own: number[] = [];
    for (let i = 0; i < options.samples && runs.length > 0; i++) own.push(await sample(runs, count, device));
    ours.push(...own);
    const other = torch && (await torch.time({ case: row.torch, runs: count, samples: options.samples, sets }));
    if (typeof other === 'string') {
      result.remarks.push(`PyTorch: ${other}`);
      break;
    }
    if (!other) continue;
    theirs.push(...other);
    if (own.length > 0) ratios.push(summarize(other).median / summarize(own).median);
  }
  setFloat32MatmulPrecision('highest');
  scope.dispose();
  if (ours.length > 0) result.ours = summarize(ours);
  if (theirs.length > 0) result.torch = summarize(theirs);
  ratios.sort((a, b) => a - b);
  result.ratio = ratios[ratios.length >> 1] ?? null;
  return result;
}
