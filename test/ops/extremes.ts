// Largest and smallest elements, alone, with their indices, and the indices alone.
import { amax, amin, argmax, argmin, max, min, tensor, zeros } from 'tilegrad';
import { reduced } from '../support/ndarray.ts';
import { defineRows, type ErrorRow, type NdArray, type OpRows, type Sample } from '../support/op_rows.ts';
import { commonErrors, dimsOf, floats, integers, type ReduceAttrs, rowsOf, walks } from './reduce.ts';

/** The place of the extreme one: of the first NaN, else of the first that none exceeds. */
function placeOf(values: readonly number[], smallest: boolean): number {
  const nan = values.findIndex(Number.isNaN);
  if (nan >= 0) return nan;
  return values.indexOf(smallest ? Math.min(...values) : Math.max(...values));
}

const distinct: Sample<ReduceAttrs>[] = walks.map((sample) => ({
  ...sample,
  inputs: sample.inputs.map((spec) => spec && { ...spec, distinct: true }),
}));

const few: readonly [number, number] = [0, 6];
const wide: Sample<ReduceAttrs>[] = [
  { inputs: [{ shape: [3, 301], range: few, grad: false }], attrs: { dim: 1 } },
  { inputs: [{ shape: [301, 37], range: few, grad: false }], attrs: { dim: 0 } },
  { inputs: [{ shape: [5, 31, 7], range: few, grad: false }], attrs: { dim: 1, keepdim: true } },
];
const special: Sample<ReduceAttrs>[] = [
  {
    name: 'NaN',
    inputs: [{ shape: [2, 3], values: [1, NaN, NaN, NaN, -Infinity, Infinity], grad: false }],
    attrs: { dim: 1 },
  },
  {
    name: 'NaN in columns',
    inputs: [{ shape: [3, 2], values: [1, 2, NaN, 3, NaN, 1], grad: false }],
    attrs: { dim: 0 },
  },
  {
    name: 'infinite',
    inputs: [{ shape: [2, 2], values: [-Infinity, -Infinity, 1, Infinity], grad: false }],
    attrs: { dim: 1 },
  },
];
const ties: Sample<ReduceAttrs> = {
  name: 'ties',
  inputs: [{ shape: [2, 4], values: [3, 1, 3, 2, 5, 5, 5, 5] }],
  attrs: { dim: 1 },
  smooth: false,
};
const along = (samples: readonly Sample<ReduceAttrs>[]): Sample<ReduceAttrs>[] =>
  samples.filter(({ attrs }) => typeof attrs?.dim === 'number');
const alongOrAll = (samples: readonly Sample<ReduceAttrs>[]): Sample<ReduceAttrs>[] =>
  samples.filter(({ attrs }) => !Array.isArray(attrs?.dim));

const emptyError = (name: string, run: () => unknown): ErrorRow => ({
  name: 'none to choose from',
  run,
  code: 'ERR_SHAPE',
  message: `${name}: dimension 0 to be reduced has size 0 (x [0, 3])`,
});

function valueRows(smallest: boolean): OpRows<ReduceAttrs>[] {
  const [name, call] = smallest ? (['amin', amin] as const) : (['amax', amax] as const);
  const fold = (values: number[]) => values[placeOf(values, smallest)]!;
  return [
    rowsOf(name, call, fold, floats, {
      family: 'exact',
      samples: [...distinct, ...wide, ...special, ties],
      errors: [...commonErrors(name, call), emptyError(name, () => call(zeros([0, 3]), 0))],
    }),
    rowsOf(name, call, fold, [...integers, 'bool'], {
      family: 'exact',
      samples: [...walks, ...wide].map((sample) => ({
        ...sample,
        inputs: sample.inputs.map((spec) => spec && { ...spec, range: [0, 1] as const }),
      })),
      differentiable: false,
    }),
  ];
}

function placeRows(smallest: boolean): OpRows<ReduceAttrs>[] {
  const [name, call] = smallest ? (['argmin', argmin] as const) : (['argmax', argmax] as const);
  const rows = (dtypes: typeof floats | typeof integers, samples: readonly Sample<ReduceAttrs>[]) =>
    defineRows<ReduceAttrs>({
      name,
      dtypes,
      family: 'exact',
      call: ([x], { dim, keepdim }) => call(x!, dim as number, keepdim),
      reference: ([x], attrs) => ({
        ...reduced(x!, dimsOf(attrs), attrs.keepdim ?? false, (values) => placeOf(values, smallest)),
        dtype: 'i64',
      }),
      samples: alongOrAll(samples),
      differentiable: false,
      errors: [
        emptyError(name, () => call(zeros([0, 3]), 0)),
        {
          name: 'a dimension out of range',
          run: () => call(tensor([1]), 1),
          code: 'ERR_ARGUMENT',
          message: `${name}: dimension 1 is out of range`,
        },
      ],
    });
  return [rows(floats, [...walks, ...wide, ...special, ties]), rows(integers, [...walks, ...wide, ties])];
}

function pairRows(smallest: boolean): OpRows<ReduceAttrs>[] {
  const [name, call] = smallest ? (['min', min] as const) : (['max', max] as const);
  const reference = (x: NdArray, attrs: ReduceAttrs): NdArray[] => {
    const fold = (f: (values: number[]) => number) => reduced(x, dimsOf(attrs), attrs.keepdim ?? false, f);
    return [
      fold((values) => values[placeOf(values, smallest)]!),
      { ...fold((values) => placeOf(values, smallest)), dtype: 'i64' },
    ];
  };
  const rows = (dtypes: typeof floats | typeof integers, samples: readonly Sample<ReduceAttrs>[]) =>
    defineRows<ReduceAttrs>({
      name,
      dtypes,
      family: 'exact',
      call: ([x], { dim, keepdim }) => {
        const { values, indices } = call(x!, dim as number, keepdim);
        return [values, indices];
      },
      reference: ([x], attrs) => reference(x!, attrs),
      samples: along(samples),
      ...(dtypes === integers ? { differentiable: false as const } : {}),
      errors: [emptyError(name, () => call(zeros([0, 3]), 0))],
    });
  return [rows(floats, [...distinct, ...wide, ...special, ties]), rows(integers, [...walks, ...wide, ties])];
}

export default [false, true].flatMap((smallest) => [
  ...valueRows(smallest),
  ...placeRows(smallest),
  ...pairRows(smallest),
]) satisfies OpRows<ReduceAttrs>[];
