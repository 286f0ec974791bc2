// Indexing as in NumPy and PyTorch: numbers, slices, new dimensions, index lists and masks.
import { TilegradError } from '../error.ts';
import { Tensor, tensor } from '../tensor.ts';
import { lt, where } from './comparisons.ts';
import { add } from './elementwise.ts';
import { indexSelect } from './index_select.ts';
import { reshape, slice } from './views.ts';

/**
 * One entry of an index: a number (its dimension is dropped), a slice string 'start:stop:step' with Python's rules, null
 * (a new dimension of size 1), '...' (all dimensions that are not named), or a list, an i64 or i32 tensor of places, or a
 * bool mask over as many dimensions as it has.
 */
export type Index = number | string | null | readonly number[] | Tensor;

/** What an entry does to its dimension. */
interface Range {
  start: number;
  stop: number;
  step: number;
}

const show = (entry: unknown): string =>
  entry instanceof Tensor
    ? `a ${entry.dtype} tensor of shape [${entry.shape.join(', ')}]`
    : typeof entry === 'string'
      ? `'${entry}'`
      : Array.isArray(entry)
        ? `[${entry.join(', ')}]`
        : typeof entry === 'object' && entry !== null
          ? 'an object'
          : String(entry);

const wrong = (text: string): TilegradError => new TilegradError('ERR_ARGUMENT', `index: ${text}`);

const sliceForm = /^\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?$/;

function parseSlice(text: string, size: number): Range {
  const match = sliceForm.exec(text);
  if (!match) throw wrong(`'${text}' is no slice; write 'start:stop:step', for instance '1:3', ':' or '::2'`);
  const [start, stop, step] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (step !== undefined && step < 1)
    throw wrong(`'${text}' has step ${step}, but steps are at least 1; flip() turns around`);
  const clamp = (place: number): number => Math.min(Math.max(place < 0 ? place + size : place, 0), size);
  return { start: clamp(start ?? 0), stop: clamp(stop ?? size), step: Math.min(step ?? 1, Math.max(size, 1)) };
}

function parseNumber(place: number, dim: number, size: number): Range {
  const start = place < 0 ? place + size : place;
  if (!Number.isSafeInteger(place) || start < 0 || start >= size)
    throw wrong(`${place} is out of range for dimension ${dim} of size ${size}`);
  return { start, stop: start + 1, step: 1 };
}

/** Dimensions that an entry takes up. */
function width(entry: Index): number {
  if (entry === null) return 0;
  return entry instanceof Tensor && entry.dtype === 'bool' ? entry.rank : 1;
}

/** Puts as many ':' as are missing in place of '...', or at the end. */
function spread(entries: readonly Index[], x: Tensor): Index[] {
  const named = entries.reduce<number>((n, entry) => n + (entry === '...' ? 0 : width(entry)), 0);
  if (entries.filter((entry) => entry === '...').length > 1)
    throw wrong("'...' stands for all that is left, so only once");
  if (named > x.rank)
    throw wrong(`${named} entries for a tensor with ${x.rank} dimensions (shape [${x.shape.join(', ')}])`);
  const rest = new Array<Index>(x.rank - named).fill(':');
  const at = entries.indexOf('...');
  return at < 0 ? [...entries, ...rest] : [...entries.slice(0, at), ...rest, ...entries.slice(at + 1)];
}

/** The numbers of the true elements, row-major. Their count is data, so this waits for it. */
function placesOf(mask: Tensor): Tensor {
  const data = mask.dataSync();
  const places: bigint[] = [];
  data.forEach((value: number | bigint, i: number) => {
    if (value) places.push(BigInt(i));
  });
  return tensor(BigInt64Array.from(places), { device: mask.device });
}

/** Takes places `index` along `dim`, which its dimensions replace. */
function take(x: Tensor, dim: number, index: Tensor | readonly number[]): Tensor {
  const size = x.shape[dim] as number;
  let places: Tensor;
  let shape: readonly number[];
  if (index instanceof Tensor) {
    if (index.dtype !== 'i64' && index.dtype !== 'i32')
      throw new TilegradError('ERR_DTYPE', `index: a tensor of places must be i64, i32 or bool but is ${index.dtype}`);
    const flat = reshape(index, [-1]);
    places = where(lt(flat, 0), add(flat, size), flat);
    shape = index.shape;
  } else {
    const numbers = index.map((place) => BigInt(parseNumber(place, dim, size).start));
    places = tensor(BigInt64Array.from(numbers), { device: x.device });
    shape = [index.length];
  }
  const taken = indexSelect(x, dim, places);
  return shape.length === 1 ? taken : reshape(taken, [...x.shape.slice(0, dim), ...shape, ...x.shape.slice(dim + 1)]);
}

/** Takes the places where `mask` is true, over the dimensions from `dim` on that it covers. */
function takeMasked(x: Tensor, dim: number, mask: Tensor): Tensor {
  const covered = x.shape.slice(dim, dim + mask.rank);
  if (covered.join() !== mask.shape.join())
    throw new TilegradError(
      'ERR_SHAPE',
      `index: the mask has shape [${mask.shape.join(', ')}] but stands for dimensions of shape [${covered.join(', ')}]`,
    );
  const joined = covered.reduce((n, size) => n * size, 1);
  return indexSelect(
    reshape(x, [...x.shape.slice(0, dim), joined, ...x.shape.slice(dim + mask.rank)]),
    dim,
    placesOf(mask),
  );
}

/** What a list of entries comes to: ranges per dimension of the input, then a shape, then at most one selection. */
interface Plan {
  ranges: Range[];
  shape: number[];
  advanced: { dim: number; entry: Tensor | readonly number[] } | null;
}

function plan(x: Tensor, entries: readonly Index[]): Plan {
  const out: Plan = { ranges: [], shape: [], advanced: null };
  for (const entry of spread(entries, x)) {
    const dim = out.ranges.length;
    const size = x.shape[dim] ?? 1;
    if (entry === null) {
      out.shape.push(1);
    } else if (typeof entry === 'number') {
      out.ranges.push(parseNumber(entry, dim, size));
    } else if (typeof entry === 'string') {
      const range = parseSlice(entry, size);
      out.ranges.push(range);
      out.shape.push(Math.max(0, Math.ceil((range.stop - range.start) / range.step)));
    } else if (entry instanceof Tensor || Array.isArray(entry)) {
      if (out.advanced)
        throw new TilegradError(
          'ERR_UNSUPPORTED',
          'index: takes one list, index tensor or mask; index the result for the next',
        );
      out.advanced = { dim: out.shape.length, entry: entry as Tensor | readonly number[] };
      for (let k = 0; k < width(entry); k++) {
        const covered = x.shape[dim + k] as number;
        out.ranges.push({ start: 0, stop: covered, step: 1 });
        out.shape.push(covered);
      }
    } else {
      throw wrong(`an entry is a number, a slice string, null, '...', a list or a tensor, not ${show(entry)}`);
    }
  }
  return out;
}

/**
 * Part of a tensor: `index(x, 0, '1:3')`, `index(x, '...', null, -1)`, `index(x, [2, 0])`. Numbers, slices, null and '...'
 * give a view, into which `assign` writes; a list, index tensor or mask gives a copy, and a mask waits for its count.
 * Gradients flow through all of them. Throws ERR_ARGUMENT for a place out of range (inside a tensor of places: at the next
 * await) or a malformed entry, ERR_SHAPE for a mask that does not fit. As indexing of a torch.Tensor.
 */
export function index(x: Tensor, ...entries: Index[]): Tensor {
  const { ranges, shape, advanced } = plan(x, entries);
  const whole = ranges.every(({ start, stop, step }, i) => start === 0 && stop === x.shape[i] && step === 1);
  const part = whole
    ? x
    : slice(
        x,
        ranges.map(({ start }) => start),
        // A slice that ends before it starts is empty.
        ranges.map(({ start, stop }) => Math.max(start, stop)),
        ranges.map(({ step }) => step),
      );
  const view = whole || part.shape.join() !== shape.join() ? reshape(part, shape) : part;
  if (!advanced) return view;
  const { dim, entry } = advanced;
  return entry instanceof Tensor && entry.dtype === 'bool' ? takeMasked(view, dim, entry) : take(view, dim, entry);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link index}: `x.index(0, '1:3')`. */
    index(...entries: Index[]): Tensor;
  }
}

Tensor.prototype.index = function (...entries) {
  return index(this, ...entries);
};
