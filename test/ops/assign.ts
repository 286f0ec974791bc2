import { assign, dtypes, slice, tensor, zeros } from 'tilegrad';
import { coordinates, flatIndex } from '../support/ndarray.ts';
import { defineRows, ndarray } from '../support/op_rows.ts';

const target = (shape: readonly number[]) => ({ shape, grad: false, expandable: false }) as const;
const source = (shape: readonly number[]) => ({ shape, grad: false }) as const;

export default [
  defineRows({
    name: 'assign',
    dtypes,
    family: 'exact',
    differentiable: false,
    call: ([x, y]) => assign(x!, y!),
    reference: ([, y]) => y!,
    samples: [[], [5], [3, 17], [2, 3, 5], [0, 3]].map((shape) => ({ inputs: [target(shape), source(shape)] })),
    errors: [
      {
        name: 'another shape',
        run: () => assign(zeros([2, 3]), zeros([2])),
        code: 'ERR_SHAPE',
        message: 'assign: target has shape [2, 3] but source has [2]',
      },
      {
        name: 'another dtype',
        run: () => assign(zeros([2]), tensor([1, 2], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: 'assign: target is f32 but source is i32',
      },
      {
        name: 'an expanded target',
        run: () => assign(zeros([1]).expand(3), zeros([3])),
        code: 'ERR_ARGUMENT',
        message: 'assign: the target is an expanded view: several of its elements share one place',
      },
      {
        name: 'a target with a gradient',
        run: () => assign(zeros([2], { requiresGrad: true }), zeros([2])),
        code: 'ERR_ARGUMENT',
        message: 'assign: the target requires a gradient; wrap the call in noGrad()',
      },
    ],
  }),
  // A source that broadcasts is repeated.
  defineRows({
    name: 'assign',
    title: 'assign of a source that broadcasts',
    dtypes: ['f32', 'i64', 'bool'],
    family: 'exact',
    differentiable: false,
    call: ([x, y]) => assign(x!, y!),
    reference: ([x, y]) =>
      ndarray(x!.shape, (i) => {
        const at = coordinates(x!.shape, i).slice(x!.shape.length - y!.shape.length);
        const inside = at.map((c, dim) => (y!.shape[dim] === 1 ? 0 : c));
        return y!.data[flatIndex(y!.shape, inside)]!;
      }),
    samples: [
      { inputs: [target([2, 3]), source([3])] },
      { inputs: [target([2, 3, 4]), source([3, 1])] },
      { inputs: [target([1, 5]), source([5])] },
      { inputs: [target([7]), source([])] },
    ],
  }),
  // What lies around the target stays as it is.
  defineRows({
    name: 'assign',
    title: 'assign into a slice',
    dtypes: ['f32', 'f16', 'u8', 'i64'],
    family: 'exact',
    differentiable: false,
    call: ([x, y]) => {
      assign(slice(x!, [1, 1], [5, 8], [2, 3]), y!);
      return x!;
    },
    reference: ([x, y]) =>
      ndarray(x!.shape, (i) => {
        const [row, column] = coordinates(x!.shape, i) as [number, number];
        const inside = row % 2 === 1 && row < 5 && column % 3 === 1 && column < 8;
        return inside ? y!.data[flatIndex(y!.shape, [(row - 1) / 2, (column - 1) / 3])]! : x!.data[i]!;
      }),
    samples: [{ inputs: [target([6, 9]), source([2, 3])] }],
  }),
  // Source and target overlap: all is read before anything is written.
  defineRows({
    name: 'assign',
    title: 'assign to itself, shifted',
    dtypes: ['f32', 'f64', 'i8'],
    family: 'exact',
    differentiable: false,
    call: ([x]) => {
      const n = x!.shape[0]!;
      assign(slice(x!, [1], [n]), slice(x!, [0], [n - 1]));
      return x!;
    },
    reference: ([x]) => ndarray(x!.shape, (i) => x!.data[Math.max(i - 1, 0)]!),
    samples: [{ inputs: [target([70])] }, { inputs: [target([1])] }],
  }),
];
