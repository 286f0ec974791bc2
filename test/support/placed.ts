// Inputs as tensors: plain, or as views of larger buffers that hold the same values in another layout.
import { type DeviceName, type DType, noGrad, permute, reshape, slice, type Tensor, tensor } from 'tilegrad';
import type { Output } from './judge.ts';
import { isFloat } from './floats.ts';
import { coordinates, flatIndex, numelOf, permuted } from './ndarray.ts';
import { type NdArray, ndarray } from './op_rows.ts';
import type { Input } from './seeded.ts';

/**
 * plain: contiguous. transposed: the dimensions lie in reverse order. stepped: every second element of the last dimension,
 * from the second one. offset: contiguous, from the second row of a larger tensor. mixed: only the inputs behind the first
 * are stepped. expanded: one dimension of each input has stride 0.
 */
export type Layout = 'plain' | 'transposed' | 'stepped' | 'offset' | 'mixed' | 'expanded';

export const layouts: readonly Layout[] = ['transposed', 'stepped', 'offset', 'mixed'];

/** Lies in the gaps of a view: a kernel that reads there gives a wrong result. */
const garbage = (dtype: DType): number => (isFloat(dtype) ? Number.NaN : dtype === 'bool' ? 1 : 101);

function toTensor(x: NdArray, dtype: DType, device: DeviceName): Tensor {
  return tensor(x.data, { shape: x.shape, dtype, device });
}

function stepped(x: NdArray, dtype: DType, device: DeviceName): Tensor {
  const rank = x.shape.length;
  if (rank === 0) return reshape(stepped({ shape: [1], data: x.data }, dtype, device), []);
  const last = x.shape[rank - 1]!;
  const large = [...x.shape.slice(0, -1), 2 * last + 1];
  const filled = ndarray(large, (i) => {
    const at = coordinates(large, i);
    const column = at[rank - 1]!;
    at[rank - 1] = (column - 1) / 2;
    return column % 2 === 1 ? x.data[flatIndex(x.shape, at)]! : garbage(dtype);
  });
  const starts = large.map((_, d) => (d === rank - 1 ? 1 : 0));
  const steps = large.map((_, d) => (d === rank - 1 ? 2 : 1));
  return slice(toTensor(filled, dtype, device), starts, large, steps);
}

function offset(x: NdArray, dtype: DType, device: DeviceName): Tensor {
  if (x.shape.length === 0) return reshape(offset({ shape: [1], data: x.data }, dtype, device), []);
  const [rows, ...rest] = x.shape as [number, ...number[]];
  const row = numelOf(rest);
  const filled = ndarray([rows + 2, ...rest], (i) =>
    i >= row && i < row + x.data.length ? x.data[i - row]! : garbage(dtype),
  );
  const starts = x.shape.map((_, d) => (d === 0 ? 1 : 0));
  const stops = x.shape.map((size, d) => (d === 0 ? size + 1 : size));
  return slice(toTensor(filled, dtype, device), starts, stops);
}

function transposed(x: NdArray, dtype: DType, device: DeviceName): Tensor {
  const reverse = x.shape.map((_, d) => x.shape.length - 1 - d);
  return permute(toTensor(permuted(x, reverse), dtype, device), reverse);
}

/** The dimension of input `index` that the expanded layout repeats; undefined where none has more than one element. */
export function expandedDim(x: Input, index: number): number | undefined {
  if (x.spec.expandable === false) return undefined;
  const dims = x.shape.flatMap((size, d) => (size > 1 ? [d] : []));
  return dims[index % 2 === 0 ? 0 : dims.length - 1];
}

/** The input with its first elements repeated along the dimension that the expanded layout repeats. */
export function repeated(x: Input, index: number): Input {
  const dim = expandedDim(x, index);
  if (dim === undefined) return x;
  const data = x.data.map((_, i) => x.data[flatIndex(x.shape, coordinates(x.shape, i).with(dim, 0))]!);
  return { ...x, data };
}

/** Of a repeated input: one copy of what repeats, expanded. */
function expanded(x: Input, index: number, device: DeviceName): Tensor {
  const dim = expandedDim(x, index);
  if (dim === undefined) return toTensor(x, x.dtype, device);
  const single = x.shape.with(dim, 1);
  const values = ndarray(single, (i) => x.data[flatIndex(x.shape, coordinates(single, i))]!);
  return toTensor(values, x.dtype, device).expand(x.shape);
}

/** The input as a leaf tensor in a layout. */
export function placed(x: Input, index: number, layout: Layout, device: DeviceName): Tensor {
  return noGrad(() => {
    const { dtype } = x;
    if (layout === 'transposed') return transposed(x, dtype, device);
    if (layout === 'stepped' || (layout === 'mixed' && index > 0)) return stepped(x, dtype, device);
    if (layout === 'offset') return offset(x, dtype, device);
    if (layout === 'expanded') return expanded(x, index, device);
    return toTensor(x, dtype, device);
  });
}

/** The values of a tensor; waits for them. */
export function read(x: Tensor): Output {
  const raw = x.dataSync();
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
  const data = raw instanceof BigInt64Array ? Float64Array.from(raw, Number) : new Float64Array(raw);
  return { shape: [...x.shape], dtype: x.dtype, data, bytes };
}
