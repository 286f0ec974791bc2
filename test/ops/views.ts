import { contiguous, dtypes, expand, permute, reshape, slice, transpose, zeros } from 'tilegrad';
import { broadcastShapes, element, fromCoordinates, permuted } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

interface SliceAttrs {
  starts: readonly number[];
  stops: readonly number[];
  steps?: readonly number[];
}

/** Python's slice of one dimension: the positions that it takes. */
function positions(size: number, start: number, stop: number, step: number): number[] {
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, 0), size);
  const found: number[] = [];
  for (let i = clamp(start); i < clamp(stop); i += step) found.push(i);
  return found;
}

function sliced(x: NdArray, { starts, stops, steps }: SliceAttrs): NdArray {
  const taken = x.shape.map((size, d) => positions(size, starts[d]!, stops[d]!, steps?.[d] ?? 1));
  return fromCoordinates(
    taken.map((list) => list.length),
    (at) =>
      element(
        x,
        at.map((i, d) => taken[d]![i]!),
      ),
  );
}

export default [
  defineRows<{ shape: readonly number[]; result?: readonly number[] }>({
    name: 'reshape',
    dtypes,
    family: 'exact',
    call: ([x], { shape }) => reshape(x!, shape),
    reference: ([x], { shape, result = shape }) => ({ shape: result, data: x!.data }),
    samples: [
      { inputs: [{ shape: [] }], attrs: { shape: [1, 1] } },
      { inputs: [{ shape: [1] }], attrs: { shape: [] } },
      { inputs: [{ shape: [2, 3, 5] }], attrs: { shape: [5, 6] } },
      { inputs: [{ shape: [2, 3, 5] }], attrs: { shape: [-1, 3], result: [10, 3] } },
      { inputs: [{ shape: [6, 4] }], attrs: { shape: [2, 3, 2, 2] } },
      { inputs: [{ shape: [33, 65] }], attrs: { shape: [65, 33] } },
      { inputs: [{ shape: [0, 3] }], attrs: { shape: [7, 0] } },
      { inputs: [{ shape: [0, 3] }], attrs: { shape: [-1, 5], result: [0, 5] } },
    ],
    errors: [
      {
        name: 'another number of elements',
        run: () => reshape(zeros([2, 3]), [4]),
        code: 'ERR_SHAPE',
        message: 'reshape: shape [4] has 4 elements but the input [2, 3] has 6',
      },
      {
        name: 'no size for -1',
        run: () => reshape(zeros([2, 3]), [-1, 4]),
        code: 'ERR_SHAPE',
        message: 'reshape: cannot find the -1 in [-1, 4] for an input of shape [2, 3] (6 elements)',
      },
      {
        name: 'two of -1',
        run: () => reshape(zeros([2, 3]), [-1, -1]),
        code: 'ERR_SHAPE',
        message: 'reshape: shape [-1, -1] may hold one -1 and no other negative number',
      },
      {
        name: '-1 beside 0',
        run: () => reshape(zeros([0, 3]), [0, -1]),
        code: 'ERR_SHAPE',
        message: 'reshape: cannot find the -1 in [0, -1]',
      },
      {
        name: 'too many dimensions',
        run: () => reshape(zeros([1]), Array(9).fill(1)),
        code: 'ERR_ARGUMENT',
        message: '',
      },
      {
        name: 'a fraction',
        run: () => reshape(zeros([4]), [1.5]),
        code: 'ERR_ARGUMENT',
        message: 'reshape: shape must be',
      },
    ],
  }),
  defineRows({
    name: 'contiguous',
    dtypes,
    family: 'exact',
    call: ([x]) => contiguous(x!),
    reference: ([x]) => ({ shape: x!.shape, data: x!.data }),
    samples: [[], [5], [17, 33], [2, 3, 5], [2, 2, 2, 2, 2, 2, 2, 2], [0, 4]].map((shape) => ({ inputs: [{ shape }] })),
  }),
  defineRows<readonly number[]>({
    name: 'permute',
    dtypes,
    family: 'exact',
    call: ([x], dims) => permute(x!, dims),
    reference: ([x], dims) =>
      permuted(
        x!,
        dims.map((d) => (d < 0 ? d + dims.length : d)),
      ),
    samples: [
      { inputs: [{ shape: [] }], attrs: [] },
      { inputs: [{ shape: [3] }], attrs: [-1] },
      { inputs: [{ shape: [3, 5] }], attrs: [1, 0] },
      { inputs: [{ shape: [2, 3, 5] }], attrs: [2, 0, 1] },
      { inputs: [{ shape: [2, 3, 1, 5] }], attrs: [-1, 1, -2, 0] },
      { inputs: [{ shape: [2, 0, 3] }], attrs: [1, 2, 0] },
    ],
    errors: [
      {
        name: 'a dimension twice',
        run: () => permute(zeros([2, 3]), [0, -2]),
        code: 'ERR_ARGUMENT',
        message: 'permute: dimension 0 appears twice in [0, -2]',
      },
      {
        name: 'too few dimensions',
        run: () => permute(zeros([2, 3]), [0]),
        code: 'ERR_ARGUMENT',
        message: 'permute: dims [0] must name each of the 2 dimensions of [2, 3]',
      },
      {
        name: 'a dimension out of range',
        run: () => permute(zeros([2, 3]), [0, 2]),
        code: 'ERR_ARGUMENT',
        message: 'permute: dimension 2 is out of range for a tensor with 2 dimensions',
      },
    ],
  }),
  defineRows<readonly [number?, number?]>({
    name: 'transpose',
    dtypes: ['f32', 'f64'],
    family: 'exact',
    call: ([x], dims) => transpose(x!, ...dims),
    reference: ([x], [dim0 = -2, dim1 = -1]) => {
      const dims = x!.shape.map((_, d) => d);
      const [a, b] = [dims.at(dim0)!, dims.at(dim1)!];
      return permuted(x!, dims.with(a, b).with(b, a));
    },
    samples: [
      { inputs: [{ shape: [3, 5] }], attrs: [] },
      { inputs: [{ shape: [2, 3, 5] }], attrs: [0, 2] },
      { inputs: [{ shape: [2, 3, 5] }], attrs: [1, -2] },
    ],
    errors: [
      {
        name: 'a dimension out of range',
        run: () => transpose(zeros([2]), 0, 1),
        code: 'ERR_ARGUMENT',
        message: 'transpose: dimension 1 is out of range for a tensor with 1 dimensions',
      },
    ],
  }),
  defineRows<readonly number[]>({
    name: 'expand',
    dtypes,
    family: 'exact',
    call: ([x], shape) => expand(x!, shape),
    reference: ([x], shape) => {
      const sizes = shape.map((size, d) => (size === -1 ? x!.shape[d - shape.length + x!.shape.length]! : size));
      const result = sizes.includes(0) ? sizes : broadcastShapes(x!.shape, sizes);
      return fromCoordinates(result, (at) => element(x!, at));
    },
    samples: [
      { inputs: [{ shape: [] }], attrs: [3, 2] },
      { inputs: [{ shape: [5] }], attrs: [3, 5] },
      { inputs: [{ shape: [3, 1] }], attrs: [3, 4] },
      { inputs: [{ shape: [1, 3, 1] }], attrs: [2, 2, -1, 5] },
      { inputs: [{ shape: [1, 3] }], attrs: [0, 3] },
      { inputs: [{ shape: [0, 1] }], attrs: [0, 4] },
    ],
    errors: [
      {
        name: 'a size that is not 1',
        run: () => expand(zeros([2, 3]), [4, 3]),
        code: 'ERR_SHAPE',
        message: 'expand: input of shape [2, 3] cannot be expanded to [4, 3]',
      },
      {
        name: 'fewer dimensions',
        run: () => expand(zeros([2, 3]), [3]),
        code: 'ERR_SHAPE',
        message: 'expand: shape [3] has fewer dimensions than the input [2, 3]',
      },
      {
        name: '-1 for a new dimension',
        run: () => expand(zeros([3]), [-1, 3]),
        code: 'ERR_SHAPE',
        message: 'expand: input of shape [3] cannot be expanded to [-1, 3]',
      },
    ],
  }),
  defineRows<SliceAttrs>({
    name: 'slice',
    covers: ['slice_input_grad'],
    dtypes,
    family: 'exact',
    call: ([x], { starts, stops, steps }) => slice(x!, starts, stops, steps),
    reference: ([x], attrs) => sliced(x!, attrs),
    samples: [
      { inputs: [{ shape: [] }], attrs: { starts: [], stops: [] } },
      { inputs: [{ shape: [9] }], attrs: { starts: [2], stops: [7] } },
      { inputs: [{ shape: [9] }], attrs: { starts: [-4], stops: [100], steps: [3] } },
      { inputs: [{ shape: [9] }], attrs: { starts: [-100], stops: [-1], steps: [9] } },
      { inputs: [{ shape: [4, 6] }], attrs: { starts: [1, 0], stops: [3, 6], steps: [1, 2] } },
      { inputs: [{ shape: [4, 6, 3] }], attrs: { starts: [0, 1, 2], stops: [4, 6, 3], steps: [3, 4, 1] } },
      { inputs: [{ shape: [4, 6] }], attrs: { starts: [3, 0], stops: [2, 6] } },
      { inputs: [{ shape: [4, 6] }], attrs: { starts: [4, 6], stops: [9, 9] } },
      { inputs: [{ shape: [0, 3] }], attrs: { starts: [0, 1], stops: [5, 3] } },
    ],
    errors: [
      {
        name: 'a step of 0',
        run: () => slice(zeros([4]), [0], [4], [0]),
        code: 'ERR_ARGUMENT',
        message: 'slice: step 0 in dimension 0 must be at least 1',
      },
      {
        name: 'a missing dimension',
        run: () => slice(zeros([4, 2]), [0], [4]),
        code: 'ERR_ARGUMENT',
        message: 'slice: starts, stops and steps must have one entry for each dimension of [4, 2]',
      },
    ],
  }),
];
