// Host-side random numbers for data: which rows come when, how an image is moved, how a digit is drawn.

/** Random numbers from a counter: number `n` of stream (seed, index) needs none of those before it. */
export class CounterRandom {
  readonly #key: number;
  #counter = 0;
  #spare: number | undefined;

  constructor(seed: number, index: number) {
    this.#key = mix(mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32) ^ 0x85ebca6b) ^ mix((index + 0x9e3779b9) >>> 0));
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    this.#counter += 1;
    return mix(Math.imul(this.#counter, 0x9e3779b1) ^ this.#key) / 2 ** 32;
  }

  /** A whole number from 0 to `limit` - 1; `limit` up to 2^32. The bias is below 2^-32 for each value. */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Normal with mean 0 and standard deviation 1 (Box and Muller). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

// A bijection of 32-bit numbers in which every input bit moves every output bit: xor-shifts and odd multipliers.
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return (h ^ (h >>> 15)) >>> 0;
}

/** The numbers 0 to `count` - 1 in an order that depends on seed and index alone (Fisher and Yates). */
export function permutation(count: number, seed: number, index: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const random = new CounterRandom(seed, index);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const value = order[i] as number;
    order[i] = order[j] as number;
    order[j] = value;
  }
  return order;
}
