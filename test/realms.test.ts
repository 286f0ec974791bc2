// Lists and arrays of another realm (a vm context, a test runner, a frame) are no instances of this one's classes.
import vm from 'node:vm';
import { tensor } from 'tilegrad';
import { expect, test } from 'vitest';

const foreign = <T>(code: string): T => vm.runInNewContext(code) as T;

test.each([
  ['Float32Array', 'f32'],
  ['Float64Array', 'f64'],
  ['Int32Array', 'i32'],
  ['Int8Array', 'i8'],
  ['Uint8Array', 'u8'],
  ['Uint8ClampedArray', 'u8'],
])('a %s becomes %s', (name, dtype) => {
  const data = foreign<Float32Array>(`new ${name}([1, 2, 3])`);
  expect(data).not.toBeInstanceOf(globalThis[name as 'Float32Array']);
  const x = tensor(data);
  expect(x.dtype).toBe(dtype);
  expect(x.tolistSync()).toEqual([1, 2, 3]);
});

test('nested lists and options', () => {
  expect(tensor(foreign<number[][]>('[[1, 2], [3, 4]]')).tolistSync()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  const options = foreign<{ dtype: 'i64'; shape: number[] }>("({ dtype: 'i64', shape: [2, 1] })");
  expect(tensor(foreign<number[]>('[1, 2]'), options).shape).toEqual([2, 1]);
});

test('what has no dtype is refused by its name', () => {
  expect(() => tensor(foreign<Float32Array>('new Uint32Array(2)'))).toThrow('tensor: Uint32Array has no dtype here');
  expect(() => tensor(foreign<Float32Array>('new DataView(new ArrayBuffer(4))'))).toThrow(
    'tensor: DataView has no dtype here',
  );
});
