// Misuses every entry of the addon, in a process of its own: a crash here must not take the test runner along.
// node misuse_addon.mjs catalogue | fuzz SEED COUNT [trace]. Prints a JSON line of what was found; silent on stderr.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
export const native = process.env.TILEGRAD_ADDON
  ? require(process.env.TILEGRAD_ADDON)
  : require('node-gyp-build')(root);

class NativeError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
native.setErrorClass(NativeError);
// The device that is misused: 0 is the CPU, 1 the first GPU.
const where = process.env.TILEGRAD_DEVICE?.startsWith('cuda') ? 1 : 0;

const codes = /^ERR_(SHAPE|DTYPE|DEVICE|DISPOSED|OOM|CUDA|UNSUPPORTED|FORMAT|ARGUMENT)$/;
const faults = [];
const tally = { calls: 0, thrown: 0, rejected: 0 };

function describe(value) {
  try {
    if (typeof value === 'function') return `function ${value.name}`;
    if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
    return String(value);
  } catch {
    return 'an object that cannot be named';
  }
}

function check(error, what) {
  if (error instanceof NativeError && codes.test(error.code) && error.message.length > 0) return;
  faults.push(`${what}: ${describe(error)} ${error?.stack ?? ''}`);
}

const pending = [];

/** Calls an entry; what it throws or rejects with must be typed. Returns its result, or undefined. */
function call(name, args, mustThrow = false) {
  tally.calls += 1;
  const what = `${name}(${args.map(describe).join(', ')})`;
  try {
    const result = native[name](...args);
    if (mustThrow) faults.push(`${what} did not throw`);
    if (result instanceof Promise)
      pending.push(
        result.then(
          () => undefined,
          (error) => {
            tally.rejected += 1;
            check(error, what);
          },
        ),
      );
    return result;
  } catch (error) {
    tally.thrown += 1;
    check(error, what);
    return undefined;
  }
}

const command = (...numbers) => {
  const out = new Float64Array(Math.max(numbers.length, 64));
  out.set(numbers);
  return out;
};
const dtypeBytes = [4, 2, 2, 8, 8, 4, 1, 1, 1];

/** Uploads a tensor of small whole numbers, which are valid elements of every dtype. */
function make(dtype, dims) {
  const numel = dims.reduce((n, d) => n * d, 1);
  const bytes = new Uint8Array(numel * dtypeBytes[dtype]);
  for (let i = 0; i < numel; i++) bytes[i * dtypeBytes[dtype]] = dtype === 8 ? i & 1 : i % 5;
  return native.upload(command(dtype, where, dims.length, ...dims), bytes);
}

function hostileValues() {
  const detached = new Float64Array(64);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const shrunk = new ArrayBuffer(512, { maxByteLength: 1024 });
  const lengthTracking = new Float64Array(shrunk);
  const fixed = new Float64Array(shrunk, 0, 32);
  shrunk.resize(8);
  const thrower = () => {
    throw new RangeError('thrown by the caller');
  };
  const proxy = new Proxy({}, { get: thrower, has: thrower, getPrototypeOf: thrower });
  const stale = make(0, [2]);
  native.release(stale);
  return [
    ...[undefined, null, true, '', '0', 'limit', Symbol('s'), 0n, 2n ** 64n, Number.NaN, Infinity, -Infinity],
    ...[-1, 0, -0, 0.5, 1e-320, 2 ** 24, 2 ** 24 + 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64, 1e308, stale],
    ...[{}, [], [0, 0, 0], thrower, class {}, new Date(), /x/, proxy, new Proxy(new Float64Array(64), {})],
    ...[
      { valueOf: thrower },
      { [Symbol.toPrimitive]: thrower },
      {
        get length() {
          return thrower();
        },
      },
    ],
    ...[new Float32Array(64), new Float64Array(0), new Float64Array(1), new Float64Array(64).fill(Number.NaN)],
    ...[new Float64Array(64).fill(1e308), new Float64Array(64).fill(-1), new Float64Array(new SharedArrayBuffer(512))],
    ...[detached, detached.buffer, lengthTracking, fixed, shrunk, new SharedArrayBuffer(8), new ArrayBuffer(8)],
    ...[new DataView(new ArrayBuffer(8)), new BigInt64Array(8), new Uint8Array(0), Buffer.from('command')],
  ];
}

/** Every entry with every hostile value in every place, alone and in pairs. */
function catalogue() {
  const values = hostileValues();
  const entries = Object.keys(native).filter((name) => typeof native[name] === 'function');
  for (const name of entries) {
    if (name === 'setErrorClass') continue;
    call(name, []);
    if (name === 'measurePeak') continue; // takes no argument, and a good part of a second
    for (const a of values) {
      call(name, [a]);
      for (const b of values) call(name, [a, b, b]);
    }
    call(name, Array(1000).fill(0));
    native.threads(2);
    native.memoryControl(where, 'limit', 2 ** 28);
  }
  const live = make(0, [2, 3]);
  for (const value of values) {
    for (const name of ['describe', 'transfer', 'read', 'readSync']) call(name, [live, value]);
    call('upload', [command(0, where, 1, 2), value]);
    call('memoryControl', [where, 'limit', value]);
    native.memoryControl(where, 'limit', 2 ** 28);
  }
  return entries;
}

/** Calls whose answer must be an error, whatever else the addon learns to do. */
function mustThrow() {
  const live = make(0, [2, 3]);
  const stale = make(0, [2]);
  native.release(stale);
  for (const handle of [stale, 0, -1, 1.5, Number.NaN, Infinity, 2 ** 52, undefined, '1', null, {}])
    for (const name of ['describe', 'read', 'readSync', 'transfer']) call(name, [handle, command(0)], true);
  for (const name of ['run', 'upload'])
    for (const value of [undefined, null, 7, [], new Float32Array(64), new Float64Array(0)]) call(name, [value], true);
  for (const device of [-1, 0.5, 999, 1e9, Number.NaN, undefined, '0', null])
    for (const name of ['sync', 'syncBlocking', 'memory', 'memoryControl']) call(name, [device, 'trim'], true);
  for (const n of [0, -1, 1.5, 1025, 1e9, Number.NaN, '2', null, {}]) call('threads', [n], true);
  for (const bytes of [0, -1, Number.NaN, Infinity, undefined, '1', null])
    call('memoryControl', [where, 'limit', bytes], true);
  for (const action of [undefined, null, '', 'reset', 0, {}]) call('memoryControl', [where, action], true);
  for (const dims of [[-1], [0.5], [Number.NaN], [2 ** 53], [2 ** 27, 2 ** 27], [1e300], [0, -1], Array(9).fill(1)])
    call('upload', [command(0, where, dims.length, ...dims), new Float32Array(4)], true);
  for (const rank of [-1, 9, 0.5, 1e9, Number.NaN])
    call('upload', [command(0, where, rank), new Float32Array(1)], true);
  for (const dtype of [-1, 9, 0.5, Number.NaN]) call('upload', [command(dtype, where, 0), new Float32Array(1)], true);
  for (const op of [-1, native.ops().length, 0.5, Number.NaN]) call('run', [command(op, where, 0)], true);
  call('describe', [live, new Float64Array(4)], true);
  call('setErrorClass', [7], true);
}

/** An error class that throws, cannot be constructed, or works while the error is being made. */
async function errorClasses() {
  const rows = make(0, [2, 3]);
  const ops = native.ops().map(({ name }) => name);
  const outOfRange = native.upload(command(5, where, 1, 1), Int32Array.of(9));
  const gather = command(ops.indexOf('gather_rows'), where, 2, rows, outOfRange, 0);
  const hostile = [
    class {
      constructor() {
        throw new RangeError('from the error class');
      }
    },
    () => undefined,
    class extends Error {
      constructor() {
        super();
        native.run(gather.slice());
        native.release(make(0, [1]));
      }
    },
    Proxy.revocable(class {}, {}).proxy,
  ];
  const revoked = Proxy.revocable(class {}, {});
  hostile.push(revoked.proxy);
  revoked.revoke();
  for (const errorClass of hostile) {
    try {
      native.setErrorClass(errorClass);
    } catch (error) {
      if (!(error instanceof Error)) faults.push(`setErrorClass threw ${describe(error)}`);
    }
    for (const misuse of [() => native.run(), () => native.read(-1), () => native.readSync(0)]) {
      try {
        misuse();
        faults.push('a misuse did not throw under a hostile error class');
      } catch {
        tally.thrown += 1; // whatever the class makes of it
      }
    }
    native.run(gather.slice());
    await native.sync(where).then(
      () => faults.push('an op that failed did not reject under a hostile error class'),
      () => undefined,
    );
    native.setErrorClass(NativeError);
    await native.sync(where).catch(() => undefined);
  }
}

/** Mulberry32: the same calls for the same seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const extremes = [
  -1,
  -2,
  0,
  0,
  1,
  1,
  2,
  3,
  5,
  7,
  -9,
  100,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 52,
  -(2 ** 52),
  2 ** 53 - 1,
];
const oddNumbers = [0, 1, -1, 0.5, 1e-3, Number.NaN, Infinity, -Infinity, 1e308, 2 ** 53, 255, 256, -129];

/** Commands that are shaped like real ones, with tensors of every dtype and layout, now and then wrong somewhere. */
async function fuzz(seed, count, trace) {
  const random = generator(seed);
  const below = (n) => Math.floor(random() * n);
  const pick = (list) => list[below(list.length)];
  const ops = native.ops();
  const pool = [];
  const refill = () => {
    const dims = Array.from({ length: random() < 0.05 ? 8 : below(5) }, () => pick([0, 1, 1, 2, 2, 3, 4, 5]));
    pool.push(make(pick([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), dims));
  };
  const scratch = new Float64Array(1 + 12 * 64);
  const drop = (i) => native.release(pool.splice(i, 1)[0]);
  let rank = 0; // of the first input, which many lists follow
  const attribute = ({ type, choices }) => {
    if (random() < 0.02) return [pick(oddNumbers)];
    if (type === 'integer') return [random() < 0.8 ? below(5) - 2 : pick(extremes)];
    if (type === 'number') return [random() < 0.6 ? random() * 4 - 2 : pick(oddNumbers)];
    if (type === 'boolean') return [below(2)];
    if (type === 'choice') return [below(choices.split('|').length)];
    if (type === 'dtype') return [below(9)];
    const length = random() < 0.02 ? below(70) : random() < 0.6 ? rank : below(5);
    return [length, ...Array.from({ length }, () => (random() < 0.8 ? below(5) : pick(extremes)))];
  };
  native.memoryControl(where, 'limit', 2 ** 26);
  for (let i = 0; i < count; i++) {
    while (pool.length < 24) refill();
    const id = below(ops.length);
    const op = ops[id];
    const most = op.maxInputs < 0 ? op.minInputs + below(4) : op.maxInputs;
    const arity = random() < 0.03 ? below(6) : op.minInputs + below(most - op.minInputs + 1);
    // Inputs mostly share a dtype, so that calls get past the first check; the pool is small, so shapes meet.
    const first = pick(pool);
    const [dtype, , firstRank, ...sizes] = layout(first);
    rank = firstRank;
    const close = random() < 0.5 ? rank : 0;
    const isAlike = ([d, , r, ...dims]) =>
      d === dtype && (!close || (r === rank && sizes.every((n, i) => i >= close || n === dims[i])));
    const alike = random() < 0.8 ? pool.filter((handle) => isAlike(layout(handle))) : pool;
    const handles = Array.from({ length: arity }, (_, k) =>
      random() < 0.03 ? pick([0, -1, Number.NaN, first + 2 ** 24, 2 ** 40, 0.5]) : k === 0 ? first : pick(alike),
    );
    const numbers = [id, where, arity, ...handles, ...op.attrs.flatMap(attribute)];
    if (random() < 0.03) numbers.length = below(numbers.length + 1);
    if (random() < 0.02) numbers[below(numbers.length)] = pick(oddNumbers);
    if (trace) writeSync(1, `${op.name} ${JSON.stringify(numbers)} of ${handles.map(layoutOf).join(' ')}\n`);
    scratch.fill(0);
    scratch.set(numbers.slice(0, scratch.length));
    // Now and then the command has no room for the answer.
    const message = random() < 0.02 ? Float64Array.from(numbers) : scratch;
    const outputs = call('run', [message]) ?? 0;
    if (trace) call('syncBlocking', [where]);
    for (let k = 0; k < outputs; k++) keepSmall(message[k * 12], message.slice(k * 12, k * 12 + 12));
    while (pool.length > 48) drop(below(pool.length));
    if (i % 64 === 63) {
      call('read', [pick(pool)]);
      call('readSync', [pick(pool)]);
      await Promise.all(pending.splice(0));
    }
  }

  function layout(handle) {
    native.describe(handle, scratch);
    return Array.from(scratch.subarray(0, 32));
  }

  function layoutOf(handle) {
    try {
      const [dtype, , rank, ...rest] = layout(handle);
      return `${native.dtypes[dtype]}[${rest.slice(0, rank)}]/${rest.slice(rank, 2 * rank)}+${rest[2 * rank]}`;
    } catch {
      return String(handle);
    }
  }

  // Views of a few bytes can have 2^50 elements; work on them would never end.
  function keepSmall(handle, [, , , rank, ...dims]) {
    const numel = dims.slice(0, rank).reduce((n, d) => n * d, 1);
    if (numel <= 4096 && dims.slice(0, rank).every((d) => d <= 4096)) pool.push(handle);
    else native.release(handle);
  }
}

const [mode, seed, count, trace] = process.argv.slice(2);
let entries = [];
if (mode === 'catalogue') {
  entries = catalogue();
  mustThrow();
  await Promise.all(pending.splice(0));
  await errorClasses();
} else {
  await fuzz(Number(seed), Number(count), trace !== undefined);
}
await Promise.all(pending);
writeSync(1, `${JSON.stringify({ ...tally, entries, faults: faults.slice(0, 20) })}\n`);
