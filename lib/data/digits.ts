// Digits drawn from nothing: pen strokes, bent and slanted at random, in the framing of MNIST (28 x 28 bytes, the digit
// fitted into 20 x 20 and placed by its centre of mass). A digit depends on the seed and its number alone, so the
// first thousand of sixty thousand are the same as a set of one thousand.
import { setImmediate as macrotask } from 'node:timers/promises';
import { checkOptions, TilegradError } from '../error.ts';
import { CounterRandom } from './counter_random.ts';
import { digitStyles, type Stroke, type Style } from './strokes.ts';

/** Images and labels as MNIST keeps them: `images` is (count, 28, 28), 0 = background; `labels` is (count). */
export interface DigitSet {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

const side = 28;
// MNIST fits the digit's box into 20 pixels and leaves 4 on each side.
const box = 20;
const stepsPerSegment = 4;
// Longest time the event loop is held, far under the library's limit of 20 ms.
const sliceMs = 6;

function chooseStyle(digit: number, random: CounterRandom): Style {
  const styles = digitStyles[digit] as readonly Style[];
  let left = random.uniform() * styles.reduce((sum, s) => sum + s.weight, 0);
  for (const style of styles) {
    left -= style.weight;
    if (left < 0) return style;
  }
  return styles[0] as Style;
}

/** A stroke as short straight pieces: x and y alternate. Smooth strokes follow the Catmull-Rom spline of their points. */
function flatten(stroke: Stroke, wobble: number, random: CounterRandom): number[] {
  const points = stroke.points.map((value) => value + wobble * random.normal());
  const last = points.length / 2 - 1;
  const path: number[] = [];
  const at = (i: number, axis: number) => points[2 * Math.min(Math.max(i, 0), last) + axis] as number;
  for (let i = 0; i < last; i++) {
    for (let step = 0; step < stepsPerSegment; step++) {
      const t = step / stepsPerSegment;
      for (const axis of [0, 1]) {
        const [a, b, c, d] = [at(i - 1, axis), at(i, axis), at(i + 1, axis), at(i + 2, axis)];
        const bend = stroke.smooth ? t * (1 - t) * ((a - 2 * b + c) * (t - 1) - (b - 2 * c + d) * t) : 0;
        path.push(b + t * (c - b) + 0.5 * bend);
      }
    }
  }
  path.push(at(last, 0), at(last, 1));
  return path;
}

/** Random slant, turn, width and a slow bending of the paper, applied to points of the unit box in place. */
function distort(paths: number[][], random: CounterRandom): void {
  const turn = 0.14 * random.normal();
  const slant = 0.16 + 0.24 * random.normal();
  const width = Math.exp(0.16 * random.normal()) * 0.85;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  // Two waves per axis of less than one period over the digit: an elastic displacement without small wrinkles.
  const waves = [0, 1, 2, 3].map(() => ({
    size: 0.06 * random.normal(),
    kx: random.between(-5, 5),
    ky: random.between(-5, 5),
    phase: random.between(0, 2 * Math.PI),
  }));
  for (const path of paths) {
    for (let i = 0; i < path.length; i += 2) {
      const u = (path[i] as number) - 0.5;
      const v = (path[i + 1] as number) - 0.5;
      const shift = waves.map((w) => w.size * Math.sin(w.kx * u + w.ky * v + w.phase));
      const x = width * (u + (shift[0] as number) + (shift[1] as number)) - slant * v;
      const y = v + (shift[2] as number) + (shift[3] as number);
      path[i] = cos * x - sin * y;
      path[i + 1] = sin * x + cos * y;
    }
  }
}

/** Scales the paths so that the digit with its pen fills a 20 x 20 box, in pixels from the box's top left. */
function fitIntoBox(paths: number[][], radius: number, random: CounterRandom): void {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const path of paths) {
    for (let i = 0; i < path.length; i += 2) {
      left = Math.min(left, path[i] as number);
      right = Math.max(right, path[i] as number);
      top = Math.min(top, path[i + 1] as number);
      bottom = Math.max(bottom, path[i + 1] as number);
    }
  }
  const scale = ((box - 2 * radius) / Math.max(right - left, bottom - top)) * random.between(0.94, 1);
  for (const path of paths) {
    for (let i = 0; i < path.length; i += 2) {
      path[i] = ((path[i] as number) - (left + right) / 2) * scale + side / 2;
      path[i + 1] = ((path[i + 1] as number) - (top + bottom) / 2) * scale + side / 2;
    }
  }
}

/** Moves the paths so that the middle of their ink lies in the middle of the image, as MNIST does. */
function centre(paths: number[][]): void {
  let [length, sumX, sumY] = [0, 0, 0];
  eachPiece(paths, (x0, y0, x1, y1) => {
    const piece = Math.hypot(x1 - x0, y1 - y0);
    length += piece;
    sumX += (piece * (x0 + x1)) / 2;
    sumY += (piece * (y0 + y1)) / 2;
  });
  // MNIST moves whole pixels.
  const dx = Math.round(side / 2 - sumX / length);
  const dy = Math.round(side / 2 - sumY / length);
  for (const path of paths) {
    for (let i = 0; i < path.length; i += 2) {
      path[i] = (path[i] as number) + dx;
      path[i + 1] = (path[i + 1] as number) + dy;
    }
  }
}

function eachPiece(paths: number[][], visit: (x0: number, y0: number, x1: number, y1: number) => void): void {
  for (const path of paths) {
    for (let i = 2; i < path.length; i += 2) {
      visit(path[i - 2] as number, path[i - 1] as number, path[i] as number, path[i + 1] as number);
    }
  }
}

/** Draws the paths with a round pen into one image; a pixel's ink falls off over `edge` pixels at the rim of the pen. */
function ink(paths: number[][], radius: number, edge: number, image: Uint8Array): void {
  const reach = radius + edge / 2;
  eachPiece(paths, (x0, y0, x1, y1) => {
    const firstX = Math.max(0, Math.ceil(Math.min(x0, x1) - reach - 0.5));
    const lastX = Math.min(side - 1, Math.floor(Math.max(x0, x1) + reach - 0.5));
    const firstY = Math.max(0, Math.ceil(Math.min(y0, y1) - reach - 0.5));
    const lastY = Math.min(side - 1, Math.floor(Math.max(y0, y1) + reach - 0.5));
    const [dx, dy] = [x1 - x0, y1 - y0];
    const inverse = 1 / Math.max(dx * dx + dy * dy, 1e-12);
    for (let row = firstY; row <= lastY; row++) {
      const py = row + 0.5 - y0;
      for (let column = firstX; column <= lastX; column++) {
        const px = column + 0.5 - x0;
        const along = Math.min(1, Math.max(0, (px * dx + py * dy) * inverse));
        const ex = px - along * dx;
        const ey = py - along * dy;
        const value = (255 * (reach - Math.sqrt(ex * ex + ey * ey))) / edge;
        const at = row * side + column;
        if (value > (image[at] as number)) image[at] = Math.min(value, 255);
      }
    }
  });
}

/** Draws digit number `index` of the set with this seed into `image`, 784 zero bytes, and returns which digit it is. */
function drawDigit(seed: number, index: number, image: Uint8Array): number {
  const random = new CounterRandom(seed, index);
  const digit = Math.floor(random.uniform() * 10);
  const wobble = 0.045 * Math.exp(0.4 * random.normal());
  const paths = chooseStyle(digit, random).strokes.map((stroke) => flatten(stroke, wobble, random));
  const radius = Math.min(2.1, Math.max(0.7, 1.25 + 0.32 * random.normal()));
  const edge = random.between(1.1, 1.9);
  distort(paths, random);
  fitIntoBox(paths, radius, random);
  centre(paths);
  ink(paths, radius, edge, image);
  return digit;
}

/**
 * Draws `count` digits of 28 x 28 bytes in the look of MNIST, labels uniform over 0 to 9. `seed` (a whole number, default
 * 0) fixes every byte on every machine; digits `first` to `first + count` of the endless set of a seed are given
 * (default 0), so that two ranges that do not overlap are two sets of one kind. Gives the event loop its turn
 * every few milliseconds. Throws `ERR_ARGUMENT` for counts that are not whole or over 10 million.
 */
export async function drawDigits(count: number, options: { seed?: number; first?: number } = {}): Promise<DigitSet> {
  checkOptions('drawDigits', options, ['seed', 'first']);
  const { seed = 0, first = 0 } = options;
  for (const [name, value, limit] of [
    ['count', count, 1e7],
    ['first', first, 2 ** 31],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > limit) {
      throw new TilegradError(
        'ERR_ARGUMENT',
        `drawDigits: ${name} is ${value}, expected a whole number up to ${limit}`,
      );
    }
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new TilegradError('ERR_ARGUMENT', `drawDigits: seed is ${seed}, expected a whole number from 0 to 2^53`);
  }
  const images = new Uint8Array(count * side * side);
  const labels = new Uint8Array(count);
  let sliceEnd = performance.now() + sliceMs;
  for (let i = 0; i < count; i++) {
    labels[i] = drawDigit(seed, first + i, images.subarray(i * side * side, (i + 1) * side * side));
    if (performance.now() > sliceEnd) {
      await macrotask();
      sliceEnd = performance.now() + sliceMs;
    }
  }
  return { images, labels };
}
