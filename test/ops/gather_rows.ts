import { dtypes, type DType, gatherRows, type GatherRowsOptions, tensor, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

type Options = Omit<GatherRowsOptions, 'offset'>;

function gathered(source: NdArray, index: NdArray, offset: NdArray | null | undefined, options: Options): NdArray {
  const scaled = options.scale !== undefined || options.shift !== undefined;
  const dtype: DType | undefined = options.dtype ?? (scaled ? 'f32' : undefined);
  const channelOf = (values: readonly number[], c: number) => values[values.length > 1 ? c : 0]!;
  const result = fromCoordinates([index.shape[0]!, ...source.shape.slice(1)], (at) => {
    const from = at.with(0, index.data[at[0]!]!);
    if (offset) {
      from[2]! -= element(offset, [at[0]!, 0]);
      from[3]! -= element(offset, [at[0]!, 1]);
    }
    const value = from.every((i, d) => i >= 0 && i < source.shape[d]!) ? element(source, from) : 0;
    if (!scaled) return value;
    return value * channelOf(options.scale ?? [1], at[1] ?? 0) + channelOf(options.shift ?? [0], at[1] ?? 0);
  });
  return dtype ? { ...result, dtype } : result;
}

const index = (values: number[], dtype: DType = 'i64') => ({ shape: [values.length], values, dtype });
const source = (shape: number[]) => ({ shape, grad: false }) as const;
const offsets = (values: number[]) => ({ shape: [values.length / 2, 2], values, dtype: 'i32' }) as const;
const numbers = ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8', 'u8'] as const;

export default [
  defineRows<Options>({
    name: 'gather_rows',
    dtypes,
    family: 'exact',
    differentiable: false,
    call: ([x, rows, offset], options) => gatherRows(x!, rows!, offset ? { ...options, offset } : options),
    reference: ([x, rows, offset], options) => gathered(x!, rows!, offset, options),
    samples: [
      { inputs: [source([5]), index([4, 0, 0])], attrs: {} },
      { inputs: [source([5, 3]), index([1, 4, 4, 2], 'i32')], attrs: {} },
      { inputs: [source([3, 2, 4, 5]), index([2, 0])], attrs: {} },
      { inputs: [source([3, 2, 4, 5]), index([2, 0, 1]), offsets([0, 1, -2, 3, 9, -9])], attrs: {} },
      { inputs: [source([3, 2]), index([])], attrs: {} },
      { inputs: [source([3, 0]), index([1, 2])], attrs: {} },
      { inputs: [source([5, 3]), index([1, 4])], attrs: { dtype: 'f64' }, dtypes: numbers },
      { inputs: [source([5, 3]), index([1, 4])], attrs: { scale: [0.1], shift: [-0.3] }, dtypes: numbers },
      {
        inputs: [source([4, 3, 5]), index([3, 0, 3])],
        attrs: { scale: [1 / 255, 2, -3], shift: [0.5, 0, 1], dtype: 'f64' },
        dtypes: numbers,
      },
      {
        inputs: [source([4, 2, 6, 7]), index([3, 0, 3]), offsets([1, 2, -3, 0, 0, -1])],
        attrs: { scale: [0.25], shift: [0.5, -1], dtype: 'bf16' },
        dtypes: numbers,
      },
      {
        name: 'by table',
        inputs: [{ shape: [3, 2, 20, 21], range: [0, 255] }, index([2, 0, 1])],
        attrs: { scale: [1 / 255, 1 / 3], shift: [-0.1307, 2] },
        dtypes: ['u8'],
      },
    ],
    errors: [
      {
        name: 'an index out of range',
        run: () => gatherRows(zeros([3, 2]), tensor([0, 3], { dtype: 'i64' })),
        code: 'ERR_ARGUMENT',
        message: 'gather_rows: index 3 at 1 is out of range for 3 rows',
      },
      {
        name: 'an index of floats',
        run: () => gatherRows(zeros([3, 2]), zeros([1])),
        code: 'ERR_DTYPE',
        message: 'gather_rows: index must be i32 or i64 but is f32',
      },
      {
        name: 'a scalar',
        run: () => gatherRows(zeros([]), tensor([0], { dtype: 'i64' })),
        code: 'ERR_SHAPE',
        message: 'gather_rows: source must have rows but is a scalar',
      },
      {
        name: 'a cast to an integer',
        run: () => gatherRows(zeros([3]), tensor([0], { dtype: 'i64' }), { dtype: 'i32' }),
        code: 'ERR_DTYPE',
        message: 'gather_rows: a scaled result must be a float dtype but is i32',
      },
    ],
  }),
];
