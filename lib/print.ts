// Printing as PyTorch prints: four decimals or powers of ten for the whole tensor, columns aligned, the middle of a large
// tensor left out. Only what is shown is read.
import { inspect } from 'node:util';
import { getDefaultDevice } from './device.ts';
import { checkOptions, TilegradError } from './error.ts';
import { noGrad, untraced } from './graph.ts';
import { slice } from './ops/views.ts';
import { tidy } from './scope.ts';
import { type Shape, Tensor } from './tensor.ts';

/** How tensors print. */
export interface PrintOptions {
  /** Digits after the point. Default 4. */
  precision?: number | undefined;
  /** The number of elements beyond which the middle is left out. Default 1000. */
  threshold?: number | undefined;
  /** Elements shown at each end of a dimension that is cut. Default 3. */
  edgeItems?: number | undefined;
  /** Characters per line. Default 80. */
  lineWidth?: number | undefined;
  /** Powers of ten always or never. Default null: where the numbers need them. */
  sciMode?: boolean | null | undefined;
}

const options = { precision: 4, threshold: 1000, edgeItems: 3, lineWidth: 80, sciMode: null as boolean | null };
const most: Record<string, number> = {
  precision: 60,
  threshold: Number.MAX_SAFE_INTEGER,
  edgeItems: 1e6,
  lineWidth: 1e6,
};

/**
 * Sets how tensors print; what is not named stays as it is.
 * Throws ERR_ARGUMENT for an unknown option or a value that is no whole number in range. As torch.set_printoptions.
 */
export function setPrintOptions(changes: PrintOptions): void {
  checkOptions('setPrintOptions', changes, Object.keys(options));
  const { sciMode, ...numbers } = changes;
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 0 || value > (most[name] as number))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `setPrintOptions: ${name} must be a whole number from 0 to ${most[name]} but is ${String(value)}`,
      );
  }
  if (sciMode !== undefined && sciMode !== null && typeof sciMode !== 'boolean')
    throw new TilegradError(
      'ERR_ARGUMENT',
      `setPrintOptions: sciMode must be true, false or null but is ${String(sciMode)}`,
    );
  for (const [name, value] of Object.entries(changes))
    if (value !== undefined) Object.assign(options, { [name]: value });
}

/** What is shown of a tensor, row-major; `cut` says of each dimension whether its middle is left out. */
interface Shown {
  values: (number | bigint | boolean)[];
  shape: number[];
  cut: boolean[];
}

/** The pieces of a dimension that are shown: all of it, or its two ends. */
function pieces(size: number, summarised: boolean): [number, number][] {
  const { edgeItems } = options;
  if (!summarised || size <= 2 * edgeItems) return [[0, size]];
  return [
    [0, edgeItems],
    [size - edgeItems, size],
  ];
}

function read(x: Tensor, summarised: boolean): Shown {
  const parts = x.shape.map((size) => pieces(size, summarised));
  const shape = parts.map((list) => list.reduce((n, [from, to]) => n + to - from, 0));
  const cut = parts.map((list) => list.length > 1);
  const values = new Array<number | bigint | boolean>(shape.reduce((n, d) => n * d, 1));
  // Copies a piece to its place: `starts` in the tensor, `at` in what is shown.
  const fill = (starts: number[], stops: number[], at: number[]): void => {
    const dim = starts.length;
    if (dim < x.rank) {
      let start = 0;
      for (const [from, to] of parts[dim] as [number, number][]) {
        fill([...starts, from], [...stops, to], [...at, start]);
        start += to - from;
      }
      return;
    }
    const data = (cut.includes(true) ? slice(x, starts, stops) : x).dataSync();
    const sizes = starts.map((from, i) => (stops[i] as number) - from);
    for (let k = 0; k < data.length; k++) {
      let [rest, index, stride] = [k, 0, 1];
      for (let i = dim - 1; i >= 0; i--) {
        index += (((at[i] as number) + (rest % (sizes[i] as number))) as number) * stride;
        rest = Math.floor(rest / (sizes[i] as number));
        stride *= shape[i] as number;
      }
      const value = data[k] as number | bigint;
      values[index] = x.dtype === 'bool' ? value !== 0 : value;
    }
  };
  fill([], [], []);
  return { values, shape, cut };
}

/** `text` is `value` rounded to `digits` by JavaScript, which rounds an exact half up; Python's half goes to the even digit. */
function halfToEven(text: string, exact: string, digits: number): string {
  const point = exact.indexOf('.');
  const tail = exact.slice(point + 1 + digits).replace(/e.*$/, '');
  const kept = exact.slice(0, point + 1 + digits).replace(/\.$/, '');
  if (!/^50*$/.test(tail) || !/[02468]$/.test(kept)) return text;
  return kept + (/e.*$/.exec(text)?.[0] ?? '');
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  const size = Math.abs(value);
  const text =
    size >= 1e21
      ? `${BigInt(size)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`
      : halfToEven(size.toFixed(digits), size.toFixed(100), digits);
  return (value < 0 || Object.is(value, -0) ? '-' : '') + text;
}

function exponential(value: number, digits: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  const size = Math.abs(value);
  const text = halfToEven(size.toExponential(digits), size.toExponential(100), digits);
  const [mantissa, exponent] = text.split('e') as [string, string];
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return `${sign}${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

type Format = (value: number | bigint | boolean) => string;

/** Chooses one form for all elements, and the width of the columns. */
function chooseFormat(
  values: readonly (number | bigint | boolean)[],
  isFloat: boolean,
): { format: Format; width: number } {
  const widest = (list: readonly (number | bigint | boolean)[], form: Format, more = 0): number =>
    list.reduce<number>((width, value) => Math.max(width, form(value).length + more), 1);
  const padded = (form: Format, width: number): { format: Format; width: number } => ({
    format: (value) => form(value).padStart(width),
    width,
  });
  if (!isFloat) return padded(String, widest(values, String));
  const { precision } = options;
  const finite = (values as readonly number[]).filter((value) => Number.isFinite(value) && value !== 0);
  const whole = finite.every(Number.isInteger);
  const sizes = finite.map(Math.abs);
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const wide = finite.length > 0 && (largest / smallest > 1000 || largest > 1e8 || (!whole && smallest < 1e-4));
  const asPower: Format = (value) => exponential(value as number, precision);
  const asFixed: Format = (value) => fixed(value as number, precision);
  const asWhole: Format = (value) => fixed(value as number, 0) + (Number.isFinite(value) ? '.' : '');
  // The width is that of the form the numbers ask for, also where sciMode then sets another.
  const width = wide
    ? widest(finite, asPower)
    : whole
      ? widest(finite, (value) => fixed(value as number, 0), 1)
      : widest(finite, asFixed);
  return padded((options.sciMode ?? wide) ? asPower : whole ? asWhole : asFixed, width);
}

function body({ values, shape, cut }: Shown, format: Format, width: number, indent: number): string {
  const { edgeItems, lineWidth } = options;
  let next = 0;
  const vector = (depth: number): string => {
    const items = Array.from({ length: shape[depth] as number }, () => format(values[next++] as number));
    if (cut[depth]) items.splice(edgeItems, 0, ' ...');
    const perLine = Math.max(1, Math.floor((lineWidth - indent - depth) / (width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(', '));
    return `[${lines.join(`,\n${' '.repeat(indent + depth + 1)}`)}]`;
  };
  const level = (depth: number): string => {
    if (depth === shape.length - 1) return vector(depth);
    const rows = Array.from({ length: shape[depth] as number }, () => level(depth + 1));
    if (cut[depth]) rows.splice(edgeItems, 0, '...');
    return `[${rows.join(`,${'\n'.repeat(shape.length - 1 - depth)}${' '.repeat(indent + depth + 1)}`)}]`;
  };
  return shape.length === 0 ? format(values[0] as number) : level(0);
}

/** Adds `, suffix` to the last line, or in a line of its own where it would grow too long. */
function addSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  let lastLine = text.length - text.lastIndexOf('\n') + 1;
  let out = text;
  for (const suffix of suffixes) {
    if (lastLine + suffix.length + 2 > options.lineWidth) {
      out += `,\n${' '.repeat(indent)}${suffix}`;
      lastLine = indent + suffix.length;
    } else {
      out += `, ${suffix}`;
      lastLine += suffix.length + 2;
    }
  }
  return `${out})`;
}

const list = (shape: Shape): string => `[${shape.join(', ')}]`;

/** The text of a tensor. Waits for its values, blocking the thread. */
function format(x: Tensor): string {
  const prefix = 'tensor(';
  const isFloat = x.dtype === 'f32' || x.dtype === 'f64' || x.dtype === 'f16' || x.dtype === 'bf16';
  const suffixes: string[] = [];
  let text: string;
  if (x.isDisposed) {
    text = 'disposed';
    suffixes.push(`size=${list(x.shape)}`, `dtype=${x.dtype}`);
  } else if (x.numel === 0) {
    text = '[]';
    if (x.rank !== 1) suffixes.push(`size=${list(x.shape)}`);
    // No element tells the dtype.
    if (x.dtype !== 'f32') suffixes.push(`dtype=${x.dtype}`);
  } else {
    const shown = untraced(() => noGrad(() => tidy(() => read(x, x.numel > options.threshold))));
    const { format: element, width } = chooseFormat(shown.values, isFloat);
    text = body(shown, element, width, prefix.length);
    if (!['f32', 'i64', 'bool'].includes(x.dtype)) suffixes.push(`dtype=${x.dtype}`);
  }
  // As PyTorch, which leaves out the device where tensors go by default.
  if (x.device !== getDefaultDevice()) suffixes.unshift(`device=${x.device}`);
  if (x.requiresGrad) suffixes.push('requiresGrad=true');
  return addSuffixes(prefix + text, suffixes, prefix.length);
}

declare module './tensor.ts' {
  interface Tensor<S extends Shape> {
    /**
     * The values as text, as PyTorch prints them; a large tensor without its middle. Waits for the values and so blocks
     * the thread and the event loop, as console.log of a tensor does.
     */
    toString(): string;
  }
}

Tensor.prototype.toString = function () {
  return format(this);
};

// console.log and the REPL. A tensor deep inside of an object is named, not read.
Object.defineProperty(Tensor.prototype, inspect.custom, {
  configurable: true,
  writable: true,
  value(this: Tensor, depth: number): string {
    return depth < 0 ? `tensor(size=${list(this.shape)}, dtype=${this.dtype})` : format(this);
  },
});
