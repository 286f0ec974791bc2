// erf and erfc for references, by the Maclaurin series in fixed point with so many bits that its cancellation does not
// show, and far out by a continued fraction.

/** Bits behind the point. */
const bits = 320n;
const one = 1n << bits;

function root(x: bigint): bigint {
  let guess = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + x / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

const piDigits =
  '314159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798';
const pi = (BigInt(piDigits) << bits) / 10n ** BigInt(piDigits.length - 1);
const twoOverRootPi = (2n * one * one) / root(pi << bits);

// Exact: the last bit of what comes here stands at 2^-120 or higher.
const toFixed = (x: number): bigint => BigInt(x * 2 ** 200) << (bits - 200n);

function toNumber(x: bigint): number {
  const shift = Math.max(0, x.toString(2).length - 64);
  return Number(x >> BigInt(shift)) * 2 ** (shift - Number(bits));
}

/** erf(x) in fixed point: 2 / sqrt(pi) times the sum of (-1)^n x^(2n + 1) / (n! (2n + 1)). */
function fixedErf(x: number): bigint {
  const z = toFixed(x);
  const square = (z * z) >> bits;
  let power = z;
  let sum = 0n;
  for (let n = 0n; power !== 0n && power !== -1n; n++) {
    sum += power / (2n * n + 1n);
    power = -((power * square) >> bits) / (n + 1n);
  }
  return (sum * twoOverRootPi) >> bits;
}

/** 1 / (x + 1/2 / (x + 1 / (x + 3/2 / (x + ...)))) e^(-x^2) / sqrt(pi); x = high + low, where high squared is exact. */
function tail(x: number): number {
  const high = Math.fround(x);
  const gaussian = Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
  let below = x;
  for (let n = 60; n > 0; n--) below = x + n / 2 / below;
  return gaussian / below / Math.sqrt(Math.PI);
}

/** The error function. */
export function erf(x: number): number {
  if (Number.isNaN(x) || Math.abs(x) < 1e-20) return (x * 2) / Math.sqrt(Math.PI);
  return Math.abs(x) > 6 ? Math.sign(x) : toNumber(fixedErf(x));
}

/** 1 - erf(x). */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) < 1e-20) return 1;
  if (x < -6) return 2;
  return x > 6 ? (x > 40 ? 0 : tail(x)) : toNumber(one - fixedErf(x));
}
