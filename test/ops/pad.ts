import { dtypes, type PadOptions, pad, roll, type Tensor, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

interface Call {
  pads: number[];
  options?: PadOptions;
}

/** Where a place before or behind [0, n) looks; -1 for the constant. */
function shown(i: number, n: number, mode: PadOptions['mode']): number {
  if (i >= 0 && i < n) return i;
  if (mode === 'reflect') return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode === 'replicate') return i < 0 ? 0 : n - 1;
  return mode === 'circular' ? ((i % n) + n) % n : -1;
}

function reference(x: NdArray, { pads, options = {} }: Call): NdArray {
  const rank = x.shape.length;
  const before = x.shape.map((_, d) => pads[2 * (rank - 1 - d)] ?? 0);
  const after = x.shape.map((_, d) => pads[2 * (rank - 1 - d) + 1] ?? 0);
  // What is taken off takes no part in a circle.
  const cut = (n: number) => (options.mode === 'circular' ? Math.min(n, 0) : 0);
  const shape = x.shape.map((n, d) => n + before[d]! + after[d]!);
  return fromCoordinates(shape, (at) => {
    const from = at.map((o, d) => {
      const first = -cut(before[d]!);
      const n = x.shape[d]! - first + cut(after[d]!);
      const i = shown(o - before[d]! - first, n, options.mode);
      return i < 0 ? -1 : i + first;
    });
    return from.includes(-1) ? (options.value ?? 0) : element(x, from);
  });
}

const x = (...shape: number[]) => [{ shape }];
const sample = (shape: number[], pads: number[], options?: PadOptions) => ({
  inputs: x(...shape),
  attrs: options ? { pads, options } : { pads },
});
const floats = ['f32', 'f64', 'f16', 'bf16'] as const;

export default [
  defineRows<Call>({
    name: 'pad',
    dtypes,
    family: 'exact',
    call: ([a], { pads, options }) => pad(a as Tensor, pads, options),
    reference: ([a], attrs) => reference(a as NdArray, attrs),
    timed: [sample([64, 64, 56, 56], [1, 1, 1, 1])],
    samples: [
      sample([2, 3, 4], [1, 2, 0, 3]),
      sample([2, 3, 4], [1, 2, 0, 3, 2, 2], { value: 1 }),
      sample([5, 7], [-1, 2, 3, -2]),
      sample([9], [-4, -5]),
      sample([0, 3], [1, 1, 2, 0], { value: 1 }),
      sample([], []),
      sample([3, 40], [2, 1]),
    ],
    errors: [
      {
        name: 'an odd number of pads',
        run: () => pad(zeros([2, 2]), [1]),
        code: 'ERR_ARGUMENT',
        message: 'pad: pads must be pairs',
      },
      {
        name: 'more pairs than dimensions',
        run: () => pad(zeros([2]), [1, 1, 1, 1]),
        code: 'ERR_ARGUMENT',
        message: 'pad: pads must be pairs for at most 1 dimensions',
      },
      {
        name: 'more taken off than there is',
        run: () => pad(zeros([2, 3]), [-2, -2]),
        code: 'ERR_SHAPE',
        message: 'pad: dimension 1 of [2, 3] cannot lose 4 places',
      },
      {
        name: 'a mirror larger than the input',
        run: () => pad(zeros([2, 3]), [3, 0], { mode: 'reflect' }),
        code: 'ERR_ARGUMENT',
        message: 'pad: reflect needs pads smaller than dimension 1 of [2, 3]',
      },
      {
        name: 'nothing to repeat',
        run: () => pad(zeros([0]), [1, 0], { mode: 'replicate' }),
        code: 'ERR_SHAPE',
        message: 'pad: dimension 0 of [0] is empty',
      },
      {
        name: 'an unknown mode',
        run: () => pad(zeros([2]), [1, 0], { mode: 'edge' as 'replicate' }),
        code: 'ERR_ARGUMENT',
        message: "pad: mode must be one of 'constant', 'reflect', 'replicate', 'circular' but is 'edge'",
      },
      {
        name: 'a value that does not fit',
        run: () => pad(zeros([2], { dtype: 'u8' }), [1, 0], { value: -1 }),
        code: 'ERR_ARGUMENT',
        message: 'pad: value -1 does not fit into u8',
      },
    ],
  }),
  // The gradients of what is shown more than once are sums.
  defineRows<Call>({
    name: 'pad',
    title: 'pad with repeats',
    covers: ['pad_input_grad'],
    dtypes: floats,
    family: 'accumulating',
    call: ([a], { pads, options }) => pad(a as Tensor, pads, options),
    reference: ([a], attrs) => reference(a as NdArray, attrs),
    samples: (['reflect', 'replicate', 'circular'] as const).flatMap((mode) => [
      sample([2, 3, 4], [2, 1, 1, 2], { mode }),
      sample([5, 7], [3, -2, -1, 4], { mode }),
      sample([3, 2, 3, 4], [1, 0, 0, 1, 1, 1, 2, 2], { mode }),
      sample([9], [8, 8], { mode }),
      sample([4, 0, 5], [1, 1], { mode }),
    ]),
  }),
  defineRows<{ shifts: number | number[]; dims?: number | number[] }>({
    name: 'roll',
    dtypes,
    family: 'exact',
    call: ([a], { shifts, dims }) => roll(a as Tensor, shifts, dims),
    reference: ([a], { shifts, dims }) => {
      const array = a as NdArray;
      const flat = dims === undefined;
      const source = flat ? { ...array, shape: [array.data.length] } : array;
      const moved = [flat ? 0 : dims].flat();
      const by = source.shape.map((_, d) =>
        moved.reduce(
          (sum, m, i) => sum + ((m + source.shape.length) % source.shape.length === d ? [shifts].flat()[i]! : 0),
          0,
        ),
      );
      const rolled = fromCoordinates(source.shape, (at) =>
        element(
          source,
          at.map((o, d) => {
            const n = source.shape[d]!;
            return (((o - by[d]!) % n) + n) % n;
          }),
        ),
      );
      return { ...rolled, shape: array.shape };
    },
    samples: [
      { inputs: x(3, 4, 5), attrs: { shifts: 2 } },
      { inputs: x(3, 4, 5), attrs: { shifts: -7, dims: 1 } },
      { inputs: x(3, 4, 5), attrs: { shifts: [2, -1], dims: [0, -1] } },
      { inputs: x(6), attrs: { shifts: [1, 2], dims: [0, 0] } },
      { inputs: x(3, 0), attrs: { shifts: 1, dims: 1 } },
    ],
    errors: [
      {
        name: 'a shift without a dimension',
        run: () => roll(zeros([2, 2]), [1, 2], [0]),
        code: 'ERR_ARGUMENT',
        message: 'roll: 2 shifts do not fit 1 dimensions',
      },
      {
        name: 'no such dimension',
        run: () => roll(zeros([2]), 1, 1),
        code: 'ERR_ARGUMENT',
        message: 'roll: dimension 1 is out of range',
      },
    ],
  }),
];
