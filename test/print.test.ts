import { inspect } from 'node:util';
import { setPrintOptions, TilegradError, tensor, trace } from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';
import { printCases } from './support/print_cases.ts';

afterEach(() => setPrintOptions({ precision: 4, threshold: 1000, edgeItems: 3, lineWidth: 80, sciMode: null }));

const count = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);
const range = (n: number) => Float32Array.from({ length: n }, (_, i) => i);

describe('as PyTorch prints', () => {
  test.each(printCases.map((row, i) => [i, row] as const))(
    'case %i',
    (_, [values, shape, dtype, requiresGrad, text]) => {
      const data = typeof values === 'function' ? Array.from({ length: count(shape) }, (_, i) => values(i)) : values;
      const x = tensor(data, { dtype, requiresGrad }).reshape(...shape);
      expect(String(requiresGrad ? x.detach().requiresGrad_() : x)).toBe(text);
    },
  );

  test.each([
    [{ precision: 2 }, [1 / 3, 2 / 3, 100], 'tensor([  0.33,   0.67, 100.00])'],
    [{ sciMode: true }, [1, 2], 'tensor([1.0000e+00, 2.0000e+00])'],
    [{ sciMode: false }, [1e-6, 1e6], 'tensor([    0.0000, 1000000.0000])'],
    [{ threshold: 5, edgeItems: 1 }, [0, 1, 2, 3, 4, 5], 'tensor([0.,  ..., 5.])'],
    [
      { lineWidth: 30 },
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      'tensor([ 0.,  1.,  2.,  3.,\n         4.,  5.,  6.,  7.,\n         8.,  9., 10., 11.])',
    ],
  ])('with %o', (options, values, text) => {
    setPrintOptions(options);
    expect(String(tensor(values))).toBe(text);
  });
});

test('console.log, templates and the REPL show the same text', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const text = 'tensor([[1., 2.],\n        [3., 4.]])';
  expect(inspect(x)).toBe(text);
  expect(`${x}`).toBe(text);
  expect(inspect({ x })).toBe('{\n  x: tensor([[1., 2.],\n          [3., 4.]])\n}');
  expect(inspect({ a: { b: { c: { x } } } }, { depth: 1 })).not.toContain('1.');
});

test('views, results and disposed tensors', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], { requiresGrad: true });
  expect(String(x.reshape(2, 3).transpose())).toBe(
    'tensor([[1., 4.],\n        [2., 5.],\n        [3., 6.]], requiresGrad=true)',
  );
  x.dispose();
  expect(String(x)).toBe('tensor(disposed, size=[6], dtype=f32, requiresGrad=true)');
  expect(inspect(x)).toContain('disposed');
});

test('a large tensor is not read whole', () => {
  // 8 GB if it were.
  const x = tensor([1, 2])
    .reshape(2, 1, 1)
    .expand(2, 1024, 1024 * 1024);
  expect(String(x)).toContain('[2., 2., 2.,  ..., 2., 2., 2.]');
});

test('printing leaves no trace', () => {
  const seen: string[] = [];
  trace(
    ({ name }) => void seen.push(name),
    () => String(tensor(range(2000))),
  );
  expect(seen).toEqual([]);
});

test('wrong options', () => {
  const set = (options: object) => () => setPrintOptions(options);
  expect(set({ precison: 2 })).toThrow("setPrintOptions: unknown option 'precison', did you mean 'precision'?");
  expect(set({ precision: 2, lineWidth: -1 })).toThrow(TilegradError);
  expect(set({ threshold: Number.NaN })).toThrow('threshold must be a whole number');
  expect(set({ sciMode: 'yes' })).toThrow('sciMode must be true, false or null');
  expect(String(tensor([0.5]))).toBe('tensor([0.5000])');
});
