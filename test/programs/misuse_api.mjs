// Calls every public function with every odd value in every place: results or typed errors, never a crash or a hang.
// node misuse_api.mjs. Prints a JSON line of what was found.
import * as tilegrad from 'tilegrad';

const { TilegradError, Tensor, getDefaultDevice, nn, tensor, tidy } = tilegrad;
getDefaultDevice().setMemoryLimit(2 ** 27);

const thrower = () => {
  throw new RangeError('thrown by the caller');
};
const disposed = tensor([1, 2, 3]);
disposed.dispose();
const x = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const disposing = () => {
  const victim = tensor([1, 2, 3]);
  // An index list whose reading disposes a tensor.
  return Object.defineProperty([0, 0], 0, {
    get: () => {
      victim.dispose();
      return 0;
    },
  });
};
const values = [
  ...[
    undefined,
    null,
    true,
    '',
    'f32',
    Symbol('s'),
    0n,
    Number.NaN,
    Infinity,
    -1,
    0,
    1,
    2,
    0.5,
    2 ** 31,
    2 ** 53,
    -1e300,
  ],
  ...[x, tensor([0, 1], { dtype: 'i64' }), tensor([true, false]), tensor(3, { dtype: 'f64' }), tensor([[]]), disposed],
  ...[[], [0], [1, -1], [2 ** 40], [0.5], ['1'], [[1, 2], [3]], Array(100).fill(1), disposing()],
  ...[
    {},
    { dim: 0 },
    { dtype: 'f99' },
    { device: 'tpu' },
    thrower,
    new Date(),
    new Float32Array(3),
    new ArrayBuffer(8),
  ],
  ...[
    new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower }),
    {
      get dtype() {
        return thrower();
      },
    },
  ],
  Object.create(Tensor.prototype),
];

const few = [undefined, null, x, 1, Number.NaN, [0], {}, disposed];

const faults = [];
let [calls, thrown] = [0, 0];
const pending = [];

function check(error, what) {
  const typed =
    error instanceof TilegradError ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError;
  if (!typed) faults.push(`${what}: ${String(error)}`);
}

function show(value) {
  try {
    return value instanceof Tensor
      ? `tensor [${value.shape}]`
      : typeof value === 'symbol'
        ? 'symbol'
        : (JSON.stringify(value) ?? String(value));
  } catch {
    return 'an odd object';
  }
}

function call(name, fn, self, args) {
  calls += 1;
  const what = `${name}(${args.map(show).join(', ')})`;
  try {
    tidy(() => {
      const result = fn.apply(self, args);
      if (result instanceof Promise) pending.push(result.catch((error) => check(error, what)));
      return undefined;
    });
  } catch (error) {
    thrown += 1;
    check(error, what);
  }
}

let turn = 0;

function sweep(name, fn, self) {
  if (process.argv[2] === 'trace') console.error(name);
  call(name, fn, self, []);
  for (const a of values) {
    call(name, fn, self, [a]);
    // Each function sees every seventh pair, the next function other ones.
    for (let i = turn++ % 7; i < values.length; i += 7) call(name, fn, self, [a, values[i]]);
  }
  // A right first argument lets the third be looked at.
  for (const c of values) call(name, fn, self, [x, c, few[turn++ % few.length]]);
}

const isClass = (fn) => /^class\b/.test(Function.prototype.toString.call(fn));
// These change the process, not tensors; setNumThreads is in hostile.test.ts.
const left = new Set([
  'measurePeak',
  'setNumThreads',
  'defineOp',
  'setPrintOptions',
  'manualSeed',
  'getRngState',
  'setRngState',
]);

for (const [space, exports] of [
  ['', tilegrad],
  ['nn.functional.', nn?.functional ?? {}],
  ['nn.init.', nn?.init ?? {}],
]) {
  for (const [name, fn] of Object.entries(exports))
    if (typeof fn === 'function' && !isClass(fn) && !left.has(name)) sweep(space + name, fn, undefined);
}
for (const name of Object.getOwnPropertyNames(Tensor.prototype)) {
  const { value: method } = Object.getOwnPropertyDescriptor(Tensor.prototype, name);
  if (name === 'constructor' || typeof method !== 'function') continue;
  for (const a of values) {
    for (const b of few) {
      call(
        `x.${name}`,
        method,
        tidy(() =>
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ),
        [a, b],
      );
    }
    call(`disposed.${name}`, method, disposed, [a]);
  }
}
await Promise.all(pending);
await getDefaultDevice()
  .sync()
  .catch((error) => check(error, 'sync'));
console.log(JSON.stringify({ calls, thrown, faults: faults.slice(0, 20), count: faults.length }));
