// Where random ops get their numbers: a key and a counter. The numbers themselves are made by the kernels.
import { TilegradError } from './error.ts';

/** What a {@link Generator} holds: the same state gives the same numbers on every device, at any thread count. */
export interface GeneratorState {
  /** The key, a whole number from 0 to 2^64 - 1 in decimal. */
  readonly seed: string;
  /** Blocks of 128 bits used so far. */
  readonly offset: number;
}

/** Part of a generator's sequence, which no later call sees again. @internal */
export interface Reserved {
  /** Two 32-bit words. */
  readonly key: readonly [number, number];
  readonly offset: number;
}

// Kernels make 16 blocks of 4 words at a time.
const blocksOfGroup = 16;
const wordsOfGroup = 64;

/**
 * A source of random numbers: Philox4x32-10 with a key made from `seed` and a counter that each call moves on. Without
 * a seed it takes one from the system. As torch.Generator.
 */
export class Generator {
  #key: readonly [number, number] = [0, 0];
  #offset = 0;

  constructor(seed?: number | bigint) {
    if (seed === undefined) this.seed();
    else this.manualSeed(seed);
  }

  /** Starts again with `seed`: a whole number, taken modulo 2^64. Returns this. Throws ERR_ARGUMENT for other numbers. */
  manualSeed(seed: number | bigint): this {
    if (typeof seed !== 'bigint' && !Number.isSafeInteger(seed))
      throw new TilegradError('ERR_ARGUMENT', `manualSeed: expects a whole number but got ${String(seed)}`);
    const bits = BigInt.asUintN(64, BigInt(seed));
    this.#key = [Number(bits & 0xffffffffn), Number(bits >> 32n)];
    this.#offset = 0;
    return this;
  }

  /** Starts again with a seed from the system, which it returns. */
  seed(): bigint {
    const words = crypto.getRandomValues(new Uint32Array(2));
    this.manualSeed((BigInt(words[1] as number) << 32n) | BigInt(words[0] as number));
    return this.initialSeed();
  }

  /** The seed that the sequence started with. */
  initialSeed(): bigint {
    return (BigInt(this.#key[1]) << 32n) | BigInt(this.#key[0]);
  }

  /** The state as plain values that JSON keeps. */
  getState(): GeneratorState {
    return { seed: String(this.initialSeed()), offset: this.#offset };
  }

  /** Continues where {@link getState} was called. Returns this. Throws ERR_FORMAT for anything else. */
  setState(state: GeneratorState): this {
    const { seed, offset } = state ?? {};
    if (typeof seed !== 'string' || !/^\d{1,20}$/.test(seed) || BigInt(seed) >= 2n ** 64n)
      throw new TilegradError('ERR_FORMAT', `setState: seed must be a number below 2^64 in decimal but is ${seed}`);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % blocksOfGroup !== 0)
      throw new TilegradError(
        'ERR_FORMAT',
        `setState: offset must be a multiple of ${blocksOfGroup}, not negative, but is ${offset}`,
      );
    this.manualSeed(BigInt(seed));
    this.#offset = offset;
    return this;
  }

  /** Takes `words` 32-bit numbers out of the sequence. @internal */
  reserve(words: number): Reserved {
    const offset = this.#offset;
    const next = offset + Math.ceil(words / wordsOfGroup) * blocksOfGroup;
    if (!Number.isSafeInteger(next))
      throw new TilegradError('ERR_ARGUMENT', 'the random generator has given all its 2^55 numbers; seed it again');
    this.#offset = next;
    return { key: this.#key, offset };
  }
}

/** The generator of every call that names none; each thread has its own. */
export const defaultGenerator = new Generator();

/** Seeds the {@link defaultGenerator} and returns it. As torch.manual_seed. */
export function manualSeed(seed: number | bigint): Generator {
  return defaultGenerator.manualSeed(seed);
}
