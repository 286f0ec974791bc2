/** The codes of every error that tilegrad throws on purpose. */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_OOM'
  | 'ERR_CUDA'
  | 'ERR_UNSUPPORTED'
  | 'ERR_FORMAT'
  | 'ERR_IO'
  | 'ERR_ARGUMENT';

/**
 * The one error class of the library. `code` says what kind of mistake it was and is stable; `message` names the
 * operation, what is wrong and the values, and is written for people. `cause` carries the error of the system, if any.
 */
export class TilegradError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TilegradError';
    this.code = code;
  }
}

/**
 * Throws `ERR_ARGUMENT` for an option that `user` does not have, naming the nearest one that it has:
 * `DataLoader: unknown option 'batchsize', did you mean 'batchSize'?`
 */
export function checkOptions(user: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new TilegradError('ERR_ARGUMENT', `${user}: options must be an object but is ${describeValue(options)}`);
  // Not Object.keys, whose list takes longer than the check.
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `; it has ${known.join(', ')}` : `, did you mean '${near}'?`;
    throw new TilegradError('ERR_ARGUMENT', `${user}: unknown option '${name}'${hint}`);
  }
}

/** A value in words, for texts of errors. @internal */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `[${value.map(describeValue).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Promise) return 'a Promise (await it)';
  const { shape, dtype } = value as { shape?: unknown; dtype?: unknown };
  return Array.isArray(shape) && typeof dtype === 'string' ? `a tensor of shape [${shape.join(', ')}]` : 'an object';
}

/** The one of `known` that `name` was probably meant to be; undefined if none is near. @internal */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((other) => editDistance(name.toLowerCase(), other.toLowerCase()));
  const best = Math.min(...distances);
  return best <= Math.max(1, name.length / 3) ? known[distances.indexOf(best)] : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
function editDistance(a: string, b: string): number {
  const first = Array.from({ length: b.length + 1 }, (_, j) => j);
  let [before, row] = [first, first];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] as number) + 1, (next[j - 1] as number) + 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        next[j] = Math.min(next[j] as number, (before[j - 2] as number) + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length] as number;
}
