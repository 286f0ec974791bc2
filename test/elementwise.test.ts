// What the rows of test/ops cannot say of elementwise functions: how dtypes meet, how integers behave at their ends, and
// how exact f32 is over its whole range.
import { describe, expect, test } from 'vitest';
import * as t from '../lib/index.ts';
import { isFloat, ulpDistance } from './support/floats.ts';
import { erf, erfc } from './support/special_functions.ts';

const { dtypes, tensor } = t;

describe('two dtypes meet by the table of promotion', () => {
  const pairs = dtypes.flatMap((a) => dtypes.map((b) => [a, b] as const));
  const one = (dtype: t.DType) => tensor(dtype === 'bool' ? [true] : [1], { dtype });

  test.for(pairs)('%s and %s', ([a, b]) => {
    const meets = t.promote(a, b);
    expect(t.eq(one(a), one(b)).dtype).toBe('bool');
    expect(t.where(tensor([true]), one(a), one(b)).dtype).toBe(meets);
    if (meets === 'bool') expect(() => t.add(one(a), one(b))).toThrow('add: is defined for numbers, not for bool');
    else {
      const sum = t.add(one(a), one(b));
      expect([sum.dtype, sum.itemSync()]).toEqual([meets, 2]);
    }
  });

  test('the table itself', () => {
    const table = Object.fromEntries(dtypes.map((a) => [a, dtypes.map((b) => t.promote(a, b)).join(' ')]));
    expect(table).toEqual({
      f32: 'f32 f32 f32 f64 f32 f32 f32 f32 f32',
      f16: 'f32 f16 f32 f64 f16 f16 f16 f16 f16',
      bf16: 'f32 f32 bf16 f64 bf16 bf16 bf16 bf16 bf16',
      f64: 'f64 f64 f64 f64 f64 f64 f64 f64 f64',
      i64: 'f32 f16 bf16 f64 i64 i64 i64 i64 i64',
      i32: 'f32 f16 bf16 f64 i64 i32 i32 i32 i32',
      i8: 'f32 f16 bf16 f64 i64 i32 i8 i32 i8',
      u8: 'f32 f16 bf16 f64 i64 i32 i32 u8 u8',
      bool: 'f32 f16 bf16 f64 i64 i32 i8 u8 bool',
    });
  });

  test('gradients come back in the dtypes of the operands, summed over broadcasts', () => {
    const a = tensor([1, 2, 3], { requiresGrad: true });
    const b = tensor([[2], [4]], { dtype: 'f64', requiresGrad: true });
    const c = tensor([[5, 6, 7]], { dtype: 'i32' });
    a.mul(b).mul(c).sum().backward();
    expect([a.grad!.dtype, a.grad!.tolistSync()]).toEqual(['f32', [30, 36, 42]]);
    expect([b.grad!.dtype, b.grad!.tolistSync()]).toEqual(['f64', [[38], [38]]]);
  });

  test('a tensor that becomes an integer takes no gradient along', () => {
    const x = tensor([1.5, 2.5], { requiresGrad: true });
    expect(x.to('i32').requiresGrad).toBe(false);
    expect(x.to('f64').requiresGrad).toBe(true);
    expect(x.gt(2).requiresGrad).toBe(false);
  });
});

describe('to', () => {
  test('takes a dtype, a device or both, and gives the tensor itself where nothing changes', () => {
    const x = tensor([1, 2]);
    expect(x.to('f16').dtype).toBe('f16');
    expect(x.to({ dtype: 'i8', device: 'cpu' }).tolistSync()).toEqual([1, 2]);
    for (const same of [x.to('f32'), x.to(t.getDefaultDevice()), x.to({}), x.to({ dtype: 'f32' }), x.cast('f32')])
      expect(same).toBe(x);
  });

  test.for([
    [{ dtpe: 'f16' }, 'ERR_ARGUMENT', "to: unknown option 'dtpe', did you mean 'dtype'?"],
    ['f128', 'ERR_DEVICE', "unknown device 'f128'"],
    [{ dtype: 'f128' }, 'ERR_DTYPE', 'unknown dtype f128'],
  ] as const)('%j throws %s', ([target, code, message]) => {
    const thrown = (() => {
      try {
        tensor([1]).to(target as unknown as t.DType);
        return undefined;
      } catch (error) {
        return error as t.TilegradError;
      }
    })();
    expect(thrown?.code).toBe(code);
    expect(thrown?.message).toContain(message);
  });
});

describe('integers', () => {
  const ends = { i64: [-(2n ** 63n), 2n ** 63n - 1n], i32: [-(2 ** 31), 2 ** 31 - 1], i8: [-128, 127] } as const;

  const entry = (x: t.Tensor, i: number) => (x.tolistSync() as (number | bigint)[])[i];

  test.for(Object.entries(ends))('of %s wrap around', ([dtype, [least, most]]) => {
    const x = tensor([least, most] as number[], { dtype: dtype as t.DType });
    expect(x.add(1).tolistSync()).toEqual([typeof least === 'bigint' ? least + 1n : least + 1, least]);
    expect(entry(x.sub(1), 0)).toBe(most);
    expect(entry(x.neg(), 0)).toBe(least);
    expect(entry(x.abs(), 0)).toBe(least);
    expect(entry(x.floorDivide(-1), 0)).toBe(least);
    expect(x.remainder(-1).to('i32').tolistSync()).toEqual([0, 0]);
    expect(x.clamp().tolistSync()).toEqual([least, most]);
    expect(entry(x.clamp(null, 5).to('i32'), 1)).toBe(5);
  });

  test('divided by zero give 0', () => {
    const x = tensor([7, -7, 0], { dtype: 'i32' });
    for (const result of [x.floorDivide(0), x.remainder(0), x.fmod(0)]) expect(result.tolistSync()).toEqual([0, 0, 0]);
  });

  test('have powers of negative exponents only of 1 and -1', () => {
    const base = tensor([1, -1, -1, 2, 0], { dtype: 'i64' });
    const exponent = tensor([-3, -3, -2, -1, -1], { dtype: 'i64' });
    expect(base.pow(exponent).tolistSync()).toEqual([1n, -1n, 1n, 0n, 0n]);
  });

  test('of 64 bits keep all of them through comparisons and choices', () => {
    const x = tensor([2n ** 62n + 1n, 2n ** 62n]);
    expect(x.eq(x.add(1)).tolistSync()).toEqual([false, false]);
    expect(x.gt(2 ** 53 - 1).tolistSync()).toEqual([true, true]);
    expect(x.maximum(x.sub(1)).tolistSync()).toEqual([2n ** 62n + 1n, 2n ** 62n]);
    expect(() => x.add(2 ** 53)).toThrow('add: the number 9.0072e+15 does not fit into i64');
  });
});

describe('f32 is within 4 ULP over its whole range', () => {
  // 40,000 numbers of every exponent and both signs, and as many of everyday size.
  const wide = Float32Array.from({ length: 40_000 }, (_, i) => {
    const word = new Uint32Array([Math.imul(i + 1, 0x9e3779b1)]);
    return new Float32Array(word.buffer)[0]!;
  }).filter(Number.isFinite);
  const everyday = Float32Array.from({ length: 40_000 }, (_, i) => ((i * 0.61803398875) % 1) * 40 - 20);
  const values = Float32Array.from([...wide, ...everyday]);
  const minusInf = Number.NEGATIVE_INFINITY;
  const cases: [string, (x: t.Tensor) => t.Tensor, (x: number) => number][] = [
    ['exp', t.exp, Math.exp],
    ['exp2', t.exp2, (x) => 2 ** x],
    ['expm1', t.expm1, Math.expm1],
    ['log', t.log, Math.log],
    ['log2', t.log2, Math.log2],
    ['log10', t.log10, Math.log10],
    ['log1p', t.log1p, Math.log1p],
    ['sin', t.sin, Math.sin],
    ['cos', t.cos, Math.cos],
    ['tan', t.tan, Math.tan],
    ['asin', t.asin, Math.asin],
    ['acos', t.acos, Math.acos],
    ['atan', t.atan, Math.atan],
    ['sinh', t.sinh, Math.sinh],
    ['cosh', t.cosh, Math.cosh],
    ['tanh', t.tanh, Math.tanh],
    ['asinh', t.asinh, Math.asinh],
    ['acosh', t.acosh, Math.acosh],
    ['atanh', t.atanh, Math.atanh],
    ['rsqrt', t.rsqrt, (x) => 1 / Math.sqrt(x)],
    ['sigmoid', t.sigmoid, (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)))],
    ['logsigmoid', t.logsigmoid, (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))],
    ['softplus', t.softplus, (x) => (x > 20 ? x : Math.log1p(Math.exp(x)))],
    ['elu', t.elu, (x) => (x > 0 ? x : Math.expm1(x))],
    ['silu', t.silu, (x) => (x < -700 ? -0 : x / (1 + Math.exp(-x)))],
    [
      'gelu by tanh',
      (x) => t.gelu(x, { approximate: 'tanh' }),
      (x) => (x < -100 ? -0 : x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x)))),
    ],
    ['pow(x, 2.5)', (x) => t.pow(x, 2.5), (x) => x ** 2.5],
    ['pow(1.01, x)', (x) => t.pow(1.01, x), (x) => Math.fround(1.01) ** x],
  ];
  const few = values.filter((_, i) => i % 20 === 0);
  const slow: typeof cases = [
    ['erf', t.erf, erf],
    ['erfc', t.erfc, erfc],
    ['gelu', t.gelu, (x) => (x === minusInf ? -0 : 0.5 * x * erfc(x * -Math.SQRT1_2))],
  ];

  test.for([...cases, ...slow])('%s', (row) => {
    const [, call, definition] = row;
    const inputs = slow.includes(row) ? few : values;
    const got = call(tensor(inputs)).dataSync() as Float32Array;
    let worst = { ulps: 0, x: 0 };
    got.forEach((value, i) => {
      const ulps = ulpDistance('f32', value, Math.fround(definition(inputs[i]!)));
      if (ulps > worst.ulps) worst = { ulps, x: inputs[i]! };
    });
    expect(worst.ulps, `at ${worst.x}`).toBeLessThanOrEqual(4);
  });
});

test('every float function keeps NaN', () => {
  const functions = [t.exp, t.log, t.tanh, t.relu, t.relu6, t.sigmoid, t.gelu, t.silu, t.mish, t.elu, t.softplus];
  for (const dtype of dtypes.filter(isFloat))
    for (const fn of [...functions, t.abs, t.clamp, t.hardswish, t.logsigmoid, t.floor])
      expect(fn(tensor([Number.NaN], { dtype })).itemSync()).toBeNaN();
});

test('results larger than the caches are those of their parts', () => {
  const n = 2 ** 23 + 4099;
  const x = t.randn([n], { device: 'cpu' }).mul(2);
  const bytes = (y: t.Tensor) => Buffer.from((y.dataSync() as Float32Array).buffer);
  const functions = [t.relu, t.gelu, t.sin, (y: t.Tensor) => t.add(y, y), (y: t.Tensor) => t.lt(y, 0)];
  for (const fn of functions)
    t.tidy(() => {
      const whole = bytes(fn(x));
      const size = whole.length / n;
      for (const [from, to] of [
        [0, 70_001],
        [4_000_003, 4_100_000],
        [n - 5000, n],
      ] as const)
        expect(Buffer.compare(whole.subarray(from * size, to * size), bytes(fn(t.slice(x, [from], [to]))))).toBe(0);
    });
});

test('whole tensors are computed in every order of their chunks, at any number of threads', () => {
  const before = t.getNumThreads();
  const chunk = 32768;
  try {
    for (const chunks of [2, 3, 7])
      for (const threads of [1, 2, 3, 8]) {
        t.setNumThreads(threads);
        const values = Float32Array.from({ length: chunks * chunk - 5 }, (_, i) => i % 4096);
        const x = t.tensor(values, { device: 'cpu' });
        for (let run = 0; run < 2; run++) expect(t.tidy(() => t.neg(t.neg(x)).dataSync())).toEqual(values);
        x.dispose();
      }
  } finally {
    t.setNumThreads(before);
  }
});

describe('gradients where functions have corners or get NaN are those of PyTorch', () => {
  const F = t.nn.functional;
  const nan = Number.NaN;
  const cases: [name: string, fn: (x: t.Tensor) => t.Tensor, xs: number[], slopes: number[]][] = [
    ['relu', t.relu, [nan, 0, -0, 1], [1, 0, 0, 1]],
    ['relu6', t.relu6, [nan, 0, 6, 3], [0, 0, 0, 1]],
    ['hardtanh', t.hardtanh, [nan, -1, 1, 0.5], [0, 0, 0, 1]],
    ['hardsigmoid', t.hardsigmoid, [nan, -3, 3, 0], [0, 0, 0, 1 / 6]],
    ['hardswish', t.hardswish, [nan, -3, 3, 4], [nan, -0.5, 1, 1]],
    ['clamp', (x) => t.clamp(x, -1, 2), [nan, -1, 2, 3], [0, 1, 1, 0]],
    ['threshold', (x) => F.threshold(x, 1, 20), [nan, 1, 2], [1, 0, 1]],
    [
      'smooth L1',
      (x) => F.smoothL1Loss(x, t.zerosLike(x), { reduction: 'none' }),
      [nan, Infinity, -1, 0],
      [nan, 1, -1, 0],
    ],
    ['huber', (x) => F.huberLoss(x, t.zerosLike(x), { reduction: 'none', delta: 2 }), [-Infinity, 2, 1], [-2, 2, 1]],
    ['l1', (x) => F.l1Loss(x, t.zerosLike(x), { reduction: 'none' }), [0, -Infinity, 3], [0, -1, 1]],
    [
      'binary cross-entropy',
      (x) => F.binaryCrossEntropy(x, t.ge(x.detach(), 0.5).to(x.dtype), { reduction: 'none' }),
      [0, 1, 0.5, nan],
      [0, 0, -2, nan],
    ],
    [
      'clamp between tensors',
      (x) => t.clamp(x, t.zerosLike(x), t.onesLike(x)),
      [nan, -Infinity, 0, 0.5, 1, 2],
      [0, 0, 1, 1, 1, 0],
    ],
    [
      'prelu',
      (x) => F.prelu(x, tensor([0.5], { dtype: x.dtype, device: x.device })),
      [Infinity, -0, -2],
      [1, 0.5, 0.5],
    ],
    [
      'slopes of prelu',
      (weight) =>
        F.prelu(tensor([[Infinity, -2]], { dtype: weight.dtype, device: weight.device }), weight).reshape([2]),
      [1, 1],
      [0, -2],
    ],
    ['acosh', t.acosh, [-1, 0.5, 1], [Infinity, nan, Infinity]],
    ...[0, 0.5, 1.5, 3].map((p): (typeof cases)[number] => [
      `norm of power ${p}`,
      (x) => t.norm(x.reshape([-1, 1]), p, 1).reshape(x.shape),
      [0, -0, 2, -2, p === 0 ? nan : 0],
      p === 0 ? [0, 0, 0, 0, 0] : [0, 0, 1, -1, 0],
    ]),
  ];
  const places = t
    .devices()
    .filter(({ available }) => available)
    .map(({ name }) => name as t.DeviceName);

  test.for(cases)('%s', ([, fn, xs, slopes]) => {
    for (const name of places)
      for (const dtype of ['f32', 'f64'] as const) {
        const x = tensor(xs, { dtype, device: name, requiresGrad: true });
        const [dx] = t.grad(fn(x), [x], { gradOutputs: t.onesLike(x) }) as [t.Tensor];
        const found = (dx.tolistSync() as number[]).map((v) => Number(v.toFixed(6)) + 0);
        expect(found).toEqual(slopes.map((v) => Number(v.toFixed(6)) + 0));
      }
  });

  test('NaN stays behind hardshrink and threshold', () => {
    expect(F.hardshrink(tensor([nan, 1, 0.5])).tolistSync()).toEqual([nan, 1, 0]);
    expect(F.threshold(tensor([nan, 1, 2]), 1, 20).tolistSync()).toEqual([nan, 20, 2]);
  });
});

test('exp of f64 is within 1 ULP, to the ends of the range', () => {
  const xs = Array.from({ length: 4001 }, (_, i) => (i - 2000) * 0.3727);
  const got = t.exp(tensor(xs, { dtype: 'f64' })).tolistSync() as number[];
  xs.forEach((x, i) => {
    const want = Math.exp(x);
    const ulp = Math.max(2 ** (Math.floor(Math.log2(want)) - 52), Number.MIN_VALUE);
    if (want === 0 || want === Infinity) expect(got[i]).toBe(want);
    // Math.exp itself is rounded.
    else expect(Math.abs((got[i] as number) - want)).toBeLessThanOrEqual(2 * ulp);
  });
});
