// Philox4x32-10 in plain arithmetic, and where the library's random ops find their words in it.

/** One block: four 32-bit words from a 128-bit counter and a 64-bit key. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const low = (x: bigint) => x & 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = c0 * 0xd2511f53n;
    const p1 = c2 * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, low(p1), (p0 >> 32n) ^ c3 ^ k1, low(p0)];
    k0 = low(k0 + 0x9e3779b9n);
    k1 = low(k1 + 0xbb67ae85n);
  }
  return [c0, c1, c2, c3].map(Number);
}

/** A generator's sequence from a block on: its words by block. */
export class Words {
  readonly #key: readonly number[];
  readonly #offset: bigint;
  readonly #blocks = new Map<number, number[]>();

  constructor(seed: bigint, offset = 0) {
    this.#key = [Number(seed & 0xffffffffn), Number(seed >> 32n)];
    this.#offset = BigInt(offset);
  }

  block(index: number): number[] {
    let words = this.#blocks.get(index);
    if (!words) {
      const at = this.#offset + BigInt(index);
      words = philox([Number(at & 0xffffffffn), Number(at >> 32n), 0, 0], this.#key);
      this.#blocks.set(index, words);
    }
    return words;
  }

  /** The word of 32-bit value i: in groups of 64, word w of lane l at place 16 w + l. */
  word(i: number): number {
    const place = i % 64;
    return this.block(Math.floor(i / 64) * 16 + (place % 16))[Math.floor(place / 16)]!;
  }

  /** The two words, low one first, of 64-bit value i: in groups of 32. */
  pair(i: number): [number, number] {
    const place = i % 32;
    const words = this.block(Math.floor(i / 32) * 16 + (place % 16));
    const half = Math.floor(place / 16);
    return [words[2 * half]!, words[2 * half + 1]!];
  }
}
