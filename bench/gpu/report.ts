// What was measured as JSON, and as a table in Markdown with each row's part of the measured ceilings.
import type { Precision } from './rows.ts';
import type { GpuResult } from './timing.ts';

export interface Ceilings {
  /** Bytes read and written per second by the fastest copy, ours or PyTorch's. */
  copy: number;
  /** Operations per second of the fastest product of each precision, ours or PyTorch's. */
  products: Partial<Record<Precision, number>>;
}

const fastest = ({ ours, torch }: GpuResult): number =>
  Math.min(ours?.median ?? Infinity, torch?.median ?? Infinity) / 1e3;

export function ceilingsOf(results: readonly GpuResult[]): Ceilings {
  const copies = results.filter(({ group, name }) => group === 'memory' && name.startsWith('copy '));
  const products: Ceilings['products'] = {};
  for (const result of results) {
    if (result.group !== 'matmul') continue;
    const rate = result.flops / fastest(result);
    products[result.precision] = Math.max(products[result.precision] ?? 0, rate);
  }
  return { copy: Math.max(0, ...copies.map((result) => result.bytes / fastest(result))), products };
}

/** The least time that the ceilings allow, in ms. */
export function floorOf({ flops, bytes, precision }: GpuResult, { copy, products }: Ceilings): number {
  const arithmetic = flops && products[precision] ? flops / products[precision] : 0;
  return 1e3 * Math.max(arithmetic, copy ? bytes / copy : 0);
}

const figure = (value: number | null | undefined, digits = 3) =>
  value === null || value === undefined || !Number.isFinite(value) ? '' : Number(value.toPrecision(digits)).toString();

function rateOf(result: GpuResult, ms: number | undefined): string {
  if (!ms) return '';
  if (result.group === 'train') return `${figure(1e3 / ms)} steps/s`;
  return result.flops > 0 ? `${figure(result.flops / ms / 1e9)} T/s` : `${figure(result.bytes / ms / 1e6)} GB/s`;
}

export interface Report {
  gpu: string;
  emulated: boolean;
  date: string;
  versions: { tilegrad: string; node: string; torch: string | null; driver: string | null };
  command: string;
  ceilings: Ceilings;
  rows: (GpuResult & { percentOfCeiling: number | null })[];
}

/** The part of the ceiling that a row reaches, in percent. */
export function percentOf(result: GpuResult, ceilings: Ceilings): number | null {
  const floor = floorOf(result, ceilings);
  return result.ours && floor > 0 && result.group !== 'train' ? (100 * floor) / result.ours.median : null;
}

export function markdown({ gpu, emulated, date, versions, command, ceilings, rows }: Report): string {
  const products = Object.entries(ceilings.products).map(([precision, rate]) => `${precision} ${figure(rate / 1e12)}`);
  const lines = [
    `# ${gpu}`,
    '',
    ...(emulated ? ['**Emulated: these figures say nothing about a GPU. They show that the script runs.**', ''] : []),
    `${date}, tilegrad ${versions.tilegrad}, Node ${versions.node}, PyTorch ${versions.torch ?? 'not compared'}, ` +
      `driver ${versions.driver ?? 'unknown'}; \`${command}\``,
    '',
    `Ceilings, measured in this run: copy ${figure(ceilings.copy / 1e9)} GB/s read and written; products in 10^12 ` +
      `operations per second: ${products.join(', ')}. Ratio: PyTorch's time over ours.`,
  ];
  for (const group of ['matmul', 'conv2d', 'memory', 'train'] as const) {
    const own = rows.filter((row) => row.group === group);
    if (own.length === 0) continue;
    lines.push('', `## ${group}`, '', '| row | ours ms | rate | of ceiling | PyTorch ms | rate | ratio |');
    lines.push('| --- | ---: | ---: | ---: | ---: | ---: | ---: |');
    for (const row of own) {
      const percent = row.percentOfCeiling === null ? '' : `${figure(row.percentOfCeiling, 2)} %`;
      const [ours, torch] = [row.ours?.median, row.torch?.median];
      const cells = [row.name, figure(ours), rateOf(row, ours), percent, figure(torch), rateOf(row, torch)];
      lines.push(`| ${cells.join(' | ')} | ${figure(row.ratio)} |`);
    }
    const remarks = own.flatMap((row) => row.remarks.map((remark) => `- ${row.name}: ${remark}`));
    if (remarks.length > 0) lines.push('', ...remarks);
  }
  return `${lines.join('\n')}\n`;
}
