import { int8Conv2d, int8Matmul, type Tensor, tensor } from 'tilegrad';
import { describe, expect, it } from 'vitest';

const numbers = (x: Tensor): number[] => Array.from(x.dataSync(), Number);
const bytes = (values: number[], shape: number[]): Tensor => tensor(values, { dtype: 'u8', shape });

describe('integer products', () => {
  it('take scales and zero points as numbers', () => {
    const a = bytes([1, 2, 3, 4], [2, 2]);
    const b = bytes([5, 6, 7, 8], [2, 2]);
    // [[0, 1], [2, 3]] times [[3, 4], [5, 6]]
    const zeros = { aZeroPoint: 1, bZeroPoint: 2 };
    expect(numbers(int8Matmul(a, b, zeros))).toEqual([5, 6, 21, 26]);
    expect(numbers(int8Matmul(a, b, { ...zeros, scale: 0.5 }))).toEqual([2.5, 3, 10.5, 13]);
    expect(numbers(int8Matmul(a, b, { ...zeros, scale: 0 }))).toEqual([0, 0, 0, 0]);
    const x = a.reshape([1, 2, 1, 2]);
    const weight = bytes([3, 4], [1, 2, 1, 1]); // 1 and 2 above the zero point
    const y = int8Conv2d(x, weight, { xZeroPoint: 1, weightZeroPoint: 2, scale: 2, dtype: 'i8', outZeroPoint: -5 });
    expect(numbers(y)).toEqual([3, 9]);
    expect(() => int8Matmul(a, b, { aZeroPoint: 1.5 })).toThrow('1.5 does not fit into i32');
  });
});
