import { checkOptions, TilegradError } from '../error.ts';
import { formatClock, formatSignificant, hasUnicode, isInteractive, type TextStream } from './terminal.ts';

/** What stands behind the bar: a number is shown in four significant digits, a text as it is. */
export type ProgressFields = Readonly<Record<string, number | string>>;

/** What a `Progress` counts and where it shows it. */
export interface ProgressOptions {
  /** How many things there are to do. */
  readonly total: number;
  /** Text before the bar, such as `epoch 1/5`. */
  readonly label?: string;
  /** What is counted, for the rate: `images` gives `images/s`. Default `steps`. */
  readonly unit?: string;
  /** Default `process.stdout`. */
  readonly stream?: TextStream;
  /** Whether block characters may be used. Default: what the locale says. */
  readonly unicode?: boolean;
  /** The clock, in milliseconds. Default `performance.now`. */
  readonly now?: () => number;
}

const redrawMs = 100;
// A log of a long epoch shows a sign of life, but not a line per step.
const plainLineMs = 30_000;
const widestBar = 30;

/**
 * One line that tells how far a loop is: bar, fields, rate and the time left. On a terminal the line is drawn over
 * itself up to ten times a second; elsewhere it is written when the loop ends and every 30 s before that, so that log
 * files stay readable.
 */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #stream: TextStream;
  readonly #interactive: boolean;
  readonly #unicode: boolean;
  readonly #now: () => number;
  readonly #start: number;
  #lastShown: number;
  #done = 0;
  #end: number | undefined;

  constructor(options: ProgressOptions) {
    checkOptions('Progress', options, ['total', 'label', 'unit', 'stream', 'unicode', 'now']);
    if (!(options.total >= 0)) throw new TilegradError('ERR_ARGUMENT', `Progress: total is ${options.total}`);
    this.#options = options;
    this.#stream = options.stream ?? process.stdout;
    this.#interactive = isInteractive(this.#stream);
    this.#unicode = options.unicode ?? hasUnicode();
    this.#now = options.now ?? (() => performance.now());
    this.#start = this.#now();
    this.#lastShown = this.#interactive ? Number.NEGATIVE_INFINITY : this.#start;
  }

  /** How many things are done. */
  get done(): number {
    return this.#done;
  }

  /** Things done per second, from the start to now or to `finish`; 0 before the first. */
  get rate(): number {
    const seconds = ((this.#end ?? this.#now()) - this.#start) / 1000;
    return seconds > 0 ? this.#done / seconds : 0;
  }

  /** Counts `amount` more things as done and shows `fields` when it is time to. */
  advance(amount: number, fields: ProgressFields = {}): void {
    this.#done += amount;
    const now = this.#now();
    if (this.#end !== undefined || now - this.#lastShown < (this.#interactive ? redrawMs : plainLineMs)) return;
    this.#lastShown = now;
    const left = this.rate > 0 ? (this.#options.total - this.#done) / this.rate : Number.NaN;
    this.#show(fields, `ETA ${Number.isNaN(left) ? '?' : formatClock(left)}`, !this.#interactive);
  }

  /** Writes the line a last time, with the time taken in place of the time left. Later calls do nothing. */
  finish(fields: ProgressFields = {}): void {
    if (this.#end !== undefined) return;
    this.#end = this.#now();
    this.#show(fields, `${formatSignificant((this.#end - this.#start) / 1000, 3)} s`, true);
  }

  #show(fields: ProgressFields, time: string, endsLine: boolean): void {
    const { total, label = '', unit = 'steps' } = this.#options;
    const share = total === 0 ? 1 : Math.min(1, this.#done / total);
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
    const rate = `${formatRate(this.rate)} ${unit}/s`;
    const values = Object.entries(fields).map(([name, value]) =>
      typeof value === 'number' ? `${name} ${formatSignificant(value)}` : `${name} ${value}`,
    );
    const rest = [percent, ...values, rate, time].join('  ');
    const before = label === '' ? '' : `${label} `;
    if (!this.#interactive) {
      this.#stream.write(`${before}${rest.trimStart()}\n`);
      return;
    }
    // The last column stays free: a terminal wraps a line that fills it.
    const columns = (this.#stream.columns || 80) - 1;
    const width = Math.min(widestBar, columns - before.length - rest.length - 1);
    const bar = width >= 5 ? `${this.#bar(share, width)} ` : '';
    const line = `${before}${bar}${rest}`.slice(0, columns);
    this.#stream.write(`\r${line}\x1b[K${endsLine ? '\n' : ''}`);
  }

  #bar(share: number, width: number): string {
    if (!this.#unicode) {
      const full = Math.floor(share * (width - 2));
      return `[${'='.repeat(full)}${'-'.repeat(width - 2 - full)}]`;
    }
    // Eighths of a character, left to right.
    const eighths = Math.floor(share * width * 8);
    const full = Math.floor(eighths / 8);
    const part = full < width ? (['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] as string) : '';
    return `${'█'.repeat(full)}${part}`.padEnd(width, '░');
  }
}

function formatRate(rate: number): string {
  return rate >= 100 ? Math.round(rate).toLocaleString('en-US') : formatSignificant(rate, 3);
}
