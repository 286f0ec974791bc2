import { magnitudeMask, nmMask, type Tensor, tensor, zeros } from 'tilegrad';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

/** Indices by magnitude, NaN last, equal ones in order. */
function ascending(values: readonly number[]): number[] {
  const size = values.map((x) => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : Math.abs(x)));
  const rank = values.map((x) => (Number.isNaN(x) ? 1 : 0));
  return values
    .map((_, i) => i)
    .sort((i, j) => (rank[i] as number) - (rank[j] as number) || (size[i] as number) - (size[j] as number) || i - j);
}

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;

const byMagnitude = defineRows<{ count: number }>({
  name: 'magnitude_mask',
  dtypes: floats,
  family: 'exact',
  differentiable: false,
  call: ([x, mask], { count }) => magnitudeMask(x as Tensor, count, mask),
  reference: ([x, mask], { count }) => {
    const { shape, data } = x as NdArray;
    const kept = mask ? Array.from(mask.data) : Array.from(data, () => 1);
    const dropped = ascending(Array.from(data))
      .filter((i) => kept[i])
      .slice(0, count);
    return ndarray(shape, (i) => (kept[i] && !dropped.includes(i) ? 1 : 0), 'bool');
  },
  timed: [{ inputs: [{ shape: [1024, 1024] }], attrs: { count: 524288 } }],
  samples: [
    { inputs: [{ shape: [7, 11] }], attrs: { count: 30 } },
    { inputs: [{ shape: [7, 11] }], attrs: { count: 0 } },
    { inputs: [{ shape: [7, 11] }], attrs: { count: 77 } },
    { inputs: [{ shape: [3000] }], attrs: { count: 1234 } },
    { inputs: [{ shape: [0, 4] }], attrs: { count: 0 } },
    { inputs: [{ shape: [8], values: [1, -1, 1, -1, 2, 0, -0, 1] }], attrs: { count: 4 }, name: 'ties' },
    {
      inputs: [{ shape: [6], values: [Number.NaN, Number.POSITIVE_INFINITY, 1e-8, Number.NEGATIVE_INFINITY, 0, -3] }],
      attrs: { count: 4 },
      name: 'NaN and infinity',
    },
    {
      inputs: [{ shape: [6] }, { shape: [6], dtype: 'bool', values: [1, 0, 1, 1, 0, 1] }],
      attrs: { count: 3 },
      name: 'among those still kept',
    },
  ],
  errors: [
    {
      name: 'count',
      run: () => magnitudeMask(zeros([3]), 4),
      code: 'ERR_ARGUMENT',
      message: 'magnitude_mask: count must be from 0 to 3 but is 4',
    },
    {
      name: 'mask shape',
      run: () => magnitudeMask(zeros([3]), 1, tensor([true])),
      code: 'ERR_SHAPE',
      message: 'magnitude_mask: the mask must have shape [3] but has [1]',
    },
  ],
});

const nm = defineRows<{ n: number; m: number; dim?: number }>({
  name: 'nm_mask',
  dtypes: floats,
  family: 'exact',
  differentiable: false,
  call: ([x], { n, m, dim }) => nmMask(x as Tensor, n, m, { dim }),
  reference: ([x], { n, m, dim = -1 }) => {
    const { shape, data } = x as NdArray;
    const inner = shape.slice(shape.length + dim + 1).reduce((a, b) => a * b, 1);
    return ndarray(
      shape,
      (i) => {
        const first = Math.floor(i / (inner * m)) * inner * m + (i % inner);
        const group = Array.from({ length: m }, (_, j) => data[first + j * inner] as number);
        // Of equal ones the earlier stays: the order is that of the reversed group.
        const order = ascending(group.toReversed()).map((j) => m - 1 - j);
        return order.indexOf((i - first) / inner) >= m - n ? 1 : 0;
      },
      'bool',
    );
  },
  timed: [{ inputs: [{ shape: [1024, 1024] }], attrs: { n: 2, m: 4 } }],
  samples: [
    { inputs: [{ shape: [5, 16] }], attrs: { n: 2, m: 4 } },
    { inputs: [{ shape: [5, 16] }], attrs: { n: 4, m: 8 } },
    { inputs: [{ shape: [8, 3, 5] }], attrs: { n: 2, m: 4, dim: -3 } },
    { inputs: [{ shape: [4], values: [1, -1, 1, 1] }], attrs: { n: 2, m: 4 }, name: 'ties' },
    { inputs: [{ shape: [0, 4] }], attrs: { n: 1, m: 2 } },
    { inputs: [{ shape: [3, 4] }], attrs: { n: 0, m: 2 } },
  ],
  errors: [
    {
      name: 'no multiple',
      run: () => nmMask(zeros([3, 6]), 2, 4),
      code: 'ERR_SHAPE',
      message: 'nm_mask: dimension 1 of [3, 6] is no multiple of 4',
    },
  ],
});

export default [byMagnitude, nm];
