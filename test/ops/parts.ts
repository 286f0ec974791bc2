import {
  chunk,
  diagonal,
  narrow,
  repeat,
  repeatInterleave,
  select,
  split,
  type Tensor,
  tile,
  unbind,
  zeros,
} from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type ErrorRow, type NdArray } from '../support/op_rows.ts';

/** A part or a repetition: its shape and where each of its places looks. */
interface View {
  shape: readonly number[];
  from: (at: number[]) => number[];
}
interface Call {
  run: (x: Tensor) => Tensor | Tensor[];
  views: readonly View[];
}

const view = (shape: readonly number[], from: View['from']): View => ({ shape, from });
const look = (x: NdArray, { shape, from }: View): NdArray => fromCoordinates(shape, (at) => element(x, from(at)));

const rows = (name: string, samples: [number[], Call['run'], View[]][], errors: ErrorRow[] = []) =>
  defineRows<Call>({
    name,
    dtypes: ['f32', 'f64', 'i32', 'bool'],
    family: 'accumulating',
    call: ([x], { run }) => run(x as Tensor),
    reference: ([x], { views }) => views.map((v) => look(x as NdArray, v)),
    samples: samples.map(([shape, run, views], i) => ({
      name: `${i}: [${shape}] to ${views.map((v) => `[${v.shape}]`).join(' ')}`,
      inputs: [{ shape }],
      attrs: { run, views },
    })),
    errors,
  });

const from1 =
  (start: number) =>
  ([i = 0, j = 0]: number[]) => [i, j + start];
const wrap =
  (...shape: number[]) =>
  (at: number[]) =>
    at.slice(at.length - shape.length).map((i, d) => i % shape[d]!);

export default [
  rows(
    'narrow',
    [
      [[3, 5], (x) => narrow(x, 1, 1, 3), [view([3, 3], from1(1))]],
      [[3, 5], (x) => x.narrow(-1, -2, 2), [view([3, 2], from1(3))]],
      [[3, 5], (x) => narrow(x, 1, 5, 0), [view([3, 0], from1(0))]],
    ],
    [
      {
        name: 'beyond the end',
        run: () => narrow(zeros([3]), 0, 2, 2),
        code: 'ERR_ARGUMENT',
        message: 'narrow: 2 places from 2 on are not in dimension 0 of size 3',
      },
      {
        name: 'a scalar',
        run: () => narrow(zeros([]), 0, 0, 1),
        code: 'ERR_SHAPE',
        message: 'narrow: a scalar has no dimension',
      },
    ],
  ),
  rows(
    'select',
    [
      [[3, 5], (x) => select(x, 0, 1), [view([5], ([j = 0]) => [1, j])]],
      [[3, 5], (x) => x.select(1, -1), [view([3], ([i = 0]) => [i, 4])]],
      [[4], (x) => select(x, 0, 2), [view([], () => [2])]],
    ],
    [
      {
        name: 'beyond the end',
        run: () => select(zeros([3]), 0, -4),
        code: 'ERR_ARGUMENT',
        message: 'select: index -4 is not in dimension 0 of size 3',
      },
    ],
  ),
  rows(
    'split',
    [
      [[2, 5], (x) => split(x, 2, 1), [view([2, 2], from1(0)), view([2, 2], from1(2)), view([2, 1], from1(4))]],
      [[2, 5], (x) => x.split([1, 0, 4], -1), [view([2, 1], from1(0)), view([2, 0], from1(0)), view([2, 4], from1(1))]],
    ],
    [
      {
        name: 'sizes that do not add up',
        run: () => split(zeros([5]), [2, 2]),
        code: 'ERR_ARGUMENT',
        message: 'split: [2, 2] is 4 together but dimension 0 has size 5',
      },
      { name: 'size 0', run: () => split(zeros([5]), 0), code: 'ERR_ARGUMENT', message: 'split: the size of a part' },
    ],
  ),
  rows(
    'chunk',
    [
      [[2, 5], (x) => chunk(x, 2, 1), [view([2, 3], from1(0)), view([2, 2], from1(3))]],
      [[2, 6], (x) => x.chunk(4, 1), [view([2, 2], from1(0)), view([2, 2], from1(2)), view([2, 2], from1(4))]],
    ],
    [
      {
        name: 'no chunks',
        run: () => chunk(zeros([5]), 0),
        code: 'ERR_ARGUMENT',
        message: 'chunk: the number of chunks',
      },
    ],
  ),
  rows('unbind', [[[2, 3], (x) => unbind(x), [view([3], ([j = 0]) => [0, j]), view([3], ([j = 0]) => [1, j])]]]),
  rows(
    'diagonal',
    [
      [[3, 4], (x) => diagonal(x), [view([3], ([i = 0]) => [i, i])]],
      [[3, 4], (x) => x.diagonal(2), [view([2], ([i = 0]) => [i, i + 2])]],
      [[3, 4], (x) => diagonal(x, -1), [view([2], ([i = 0]) => [i + 1, i])]],
      [[3, 4], (x) => diagonal(x, 4), [view([0], ([i = 0]) => [i, i])]],
      [[3, 2, 4], (x) => diagonal(x, 1, 2, 0), [view([2, 2], ([k = 0, i = 0]) => [i + 1, k, i])]],
    ],
    [
      {
        name: 'a dimension twice',
        run: () => diagonal(zeros([2, 2]), 0, 1, -1),
        code: 'ERR_ARGUMENT',
        message: 'diagonal: dimension 1 is named twice',
      },
    ],
  ),
  rows(
    'repeat',
    [
      [[2, 3], (x) => repeat(x, [2, 1]), [view([4, 3], wrap(2, 3))]],
      [[2, 3], (x) => x.repeat(2, 1, 3), [view([2, 2, 9], wrap(2, 3))]],
      [[2, 3], (x) => repeat(x, [0, 1]), [view([0, 3], wrap(2, 3))]],
    ],
    [
      {
        name: 'too few numbers',
        run: () => repeat(zeros([2, 2]), [2]),
        code: 'ERR_ARGUMENT',
        message: 'repeat: 1 numbers are too few for 2 dimensions',
      },
      {
        name: 'a negative number',
        run: () => repeat(zeros([2]), [-1]),
        code: 'ERR_ARGUMENT',
        message: 'repeat: a number of repeats',
      },
    ],
  ),
  rows('tile', [[[2, 3], (x) => tile(x, [2]), [view([2, 6], wrap(2, 3))]]]),
  rows('repeatInterleave', [
    [[2, 3], (x) => repeatInterleave(x, 2, 1), [view([2, 6], ([i = 0, j = 0]) => [i, j >> 1])]],
    [[2, 3], (x) => x.repeatInterleave(3), [view([18], ([i = 0]) => [Math.floor(i / 9), Math.floor(i / 3) % 3])]],
  ]),
];
