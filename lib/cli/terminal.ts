/** Where text goes: what `process.stdout` offers and a test can stand in for. */
export interface TextStream {
  /** Writes as it stands; what it returns is not used. */
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Whether lines may be drawn over and over: a terminal that understands cursor movements. */
export function isInteractive(stream: TextStream, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** Whether the reader's locale shows block characters; ASCII serves otherwise. */
export function hasUnicode(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): boolean {
  if (platform === 'win32' || platform === 'darwin') return true;
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

/**
 * A number in `digits` significant digits without an exponent where it stays short: 2.303, 0.01234, 0.000123, 1.2e-9.
 * A small loss is never shown as 0.00.
 */
export function formatSignificant(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e15)) return value.toExponential(Math.max(0, digits - 1));
  // toPrecision turns to exponents from 10^digits on; whole numbers that large are shown in full.
  if (size >= 10 ** digits) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(digits);
}

/** A duration in seconds as m:ss or h:mm:ss. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}
