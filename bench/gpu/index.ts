// Times the kernels on a GPU beside PyTorch's on the same GPU and writes the figures and a table:
//   node build/ts/bench/gpu/index.js [--out DIR] [--filter REGEX] [--tiny] [--seconds S] [--no-torch]
// Writes DIR/<gpu>.json and DIR/<gpu>.md, where DIR is bench/results. On the emulated device it takes tiny shapes only.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaIsAvailable, device, devices, version } from 'tilegrad';
import { findTorch } from '../torch.ts';
import { ceilingsOf, markdown, percentOf, type Report } from './report.ts';
import { rows } from './rows.ts';
import { type GpuResult, timeRow } from './timing.ts';
import { TorchGpu } from './torch.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('bench', 'results') },
    filter: { type: 'string', default: '' },
    tiny: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '0.03' },
    'no-torch': { type: 'boolean', default: false },
  },
});

function driverVersion(): string | null {
  try {
    const query = ['--query-gpu=driver_version', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8' }).split('\n')[0]?.trim() ?? null;
  } catch {
    return null; // a driver need not come with nvidia-smi
  }
}

async function main(): Promise<number> {
  const place = devices().find(({ name }) => name.startsWith('cuda'));
  if (!cudaIsAvailable() || !place) {
    console.log(`bench/gpu skipped: ${place?.reason ?? 'there is no GPU'}`);
    return 0;
  }
  const emulated = place.description.startsWith('emulated');
  if (emulated && !values.tiny) {
    console.error('bench/gpu: the emulated device takes --tiny only; its figures mean nothing');
    return 1;
  }
  const found = values['no-torch'] ? null : findTorch();
  const torch = found && new TorchGpu(found.python, emulated);
  const filter = new RegExp(values.filter, 'i');
  const options = { sample: Number(values.seconds), samples: emulated ? 1 : 5, blocks: emulated ? 1 : 3 };
  const results: GpuResult[] = [];
  try {
    for (const row of rows(values.tiny)) {
      if (!filter.test(`${row.group} ${row.name}`)) continue;
      const result = await timeRow(row, device('cuda'), torch, options);
      device('cuda').trimMemory();
      results.push(result);
      const [ours, theirs] = [result.ours?.median, result.torch?.median].map((ms) => ms?.toPrecision(4) ?? '-');
      console.log(
        `${row.group} ${row.name}: ours ${ours} ms, PyTorch ${theirs} ms ${result.remarks.join('; ')}`.trim(),
      );
    }
  } finally {
    torch?.close();
  }
  if (results.length === 0) throw new Error(`bench/gpu: no row matches ${filter}`);
  const ceilings = ceilingsOf(results);
  const gpu = place.description.replace(/, compute capability.*/, '');
  const report: Report = {
    gpu,
    emulated,
    date: new Date().toISOString().slice(0, 10),
    versions: {
      tilegrad: version,
      node: process.versions.node,
      torch: found?.version ?? null,
      driver: driverVersion(),
    },
    command: `node build/ts/bench/gpu/index.js ${process.argv.slice(2).join(' ')}`.trim(),
    ceilings,
    rows: results.map((result) => ({ ...result, percentOfCeiling: percentOf(result, ceilings) })),
  };
  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, gpu.toLowerCase().replace(/[^a-z0-9]+/g, '-'));
  writeFileSync(`${file}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${file}.md`, markdown(report));
  console.log(`wrote ${file}.json and ${file}.md${emulated ? ' (emulated: the figures mean nothing)' : ''}`);
  return results.some(({ ours }) => ours === null) ? 1 : 0;
}

process.exitCode = await main();
