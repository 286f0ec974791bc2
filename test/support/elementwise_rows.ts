// Rows of elementwise functions from their plain definitions: broadcasting, special values, numbers on both sides.
import type { DType, Tensor } from 'tilegrad';
import { elementwise } from './ndarray.ts';
import { defineRows, type InputSpec, type NdArray, type OpRows, type Sample } from './op_rows.ts';

export const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
export const integers = ['i64', 'i32', 'i8', 'u8'] as const;
export const numbers = [...floats, ...integers] as const;
export const all = [...numbers, 'bool'] as const;

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** What a function must stand: not finite, zeros, subnormals, both ends of the range, where e^x leaves it. */
const specials = [
  [nan, inf, -inf, 0, -0, 1, -1, 0.5, -0.5],
  [1e-45, -1e-45, 1e-40, -1e-40, 1.2e-38, 6e-8, -6e-5, 1e-20],
  [3.4e38, -3.4e38, 1e20, -1e20, 65504, -65504, 1e5],
  [88.7, -87.3, -103.5, 89.1, -150, 710, -745, 16.5, -16.5, 5.5, -5.5],
].flat();

/** Shapes of one operand: scalar, odd sizes around vector widths, no elements. */
const unaryShapes: (readonly number[])[] = [[], [1], [7], [3, 17], [2, 3, 5], [1037], [0], [2, 0, 3]];

/** Pairs that broadcast, in each way. */
const binaryShapes: (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [[7], [7]],
  [[3, 5], [5]],
  [
    [3, 1],
    [1, 5],
  ],
  [[4], [2, 3, 1]],
  [
    [2, 3, 17],
    [3, 1],
  ],
  [[523], []],
  [[0, 3], [3]],
];

const typed = (x: NdArray, dtype: 'bool' | undefined): NdArray => (dtype ? { ...x, dtype } : x);

export interface UnaryOptions extends Partial<InputSpec> {
  dtypes?: readonly DType[];
  covers?: readonly string[];
  family?: OpRows['family'];
  /** Values to try besides those that every function must stand. */
  more?: readonly number[];
  /** False: not even those are tried. */
  special?: false;
  /** For a function that gives bool; it has no gradient. */
  result?: 'bool';
  errors?: OpRows['errors'];
  /** Tells rows of one name apart. */
  title?: string;
}

/** The row of a function of one operand from its public function and its definition. */
export function unary(
  name: string,
  call: (x: Tensor) => Tensor,
  fn: (x: number) => number,
  options: UnaryOptions = {},
): OpRows {
  const {
    dtypes = floats,
    covers,
    family = 'elementwise',
    more = [],
    special,
    result,
    errors,
    title,
    ...spec
  } = options;
  const floating = dtypes.filter((dtype) => (floats as readonly DType[]).includes(dtype));
  const values = [...specials, ...more];
  const specialSamples: Sample<undefined>[] =
    floating.length > 0 && special !== false
      ? [{ name: 'special values', inputs: [{ shape: [values.length], values, grad: false }], dtypes: floating }]
      : [];
  return defineRows({
    name,
    dtypes,
    family,
    ...(title && { title }),
    ...(covers && { covers }),
    ...((result || floating.length === 0) && { differentiable: false }),
    ...(errors && { errors }),
    call: ([x]) => call(x!),
    reference: ([x]) => typed(elementwise(fn, x!), result),
    samples: [...unaryShapes.map((shape) => ({ inputs: [{ ...spec, shape }] })), ...specialSamples],
    timed: [{ inputs: [{ ...spec, shape: [1024, 1024] }] }],
  });
}

export interface BinaryOptions {
  dtypes?: readonly DType[];
  covers?: readonly string[];
  family?: OpRows['family'];
  /** How operands are drawn. */
  a?: Partial<InputSpec>;
  b?: Partial<InputSpec>;
  /** Finite values of both operands to try against each other, besides those that every function must stand. */
  more?: readonly number[];
  /** The number that stands in for one operand. */
  number?: number;
  /** For a function that gives bool; it has no gradient. */
  result?: 'bool';
  errors?: OpRows['errors'];
  title?: string;
}

/** Which operands are tensors; the others are the number. */
interface Sides {
  a: boolean;
  b: boolean;
}

/** The row of a function of two operands: both tensors, and a number on either side. */
export function binary(
  name: string,
  call: (a: Tensor | number, b: Tensor | number) => Tensor,
  fn: (a: number, b: number) => number,
  options: BinaryOptions = {},
): OpRows<Sides> {
  const { dtypes = floats, covers, family = 'elementwise', a, b, more = [], number = 2, errors, title } = options;
  const floating = dtypes.filter((dtype) => (floats as readonly DType[]).includes(dtype));
  const values = [nan, inf, -inf, 0, -0, 1, -1, 0.5, 2, -3, 1e-40, 3e38, -1e20, 1e-20, ...more];
  const both: Sides = { a: true, b: true };
  const operandsOf = <T>([x, y]: readonly (T | null)[], sides: Sides): [T | number, T | number] =>
    sides.a ? [x!, sides.b ? y! : number] : [number, x!];
  return defineRows<Sides>({
    name,
    dtypes,
    family,
    ...(title && { title }),
    ...(covers && { covers }),
    ...((options.result || floating.length === 0) && { differentiable: false }),
    ...(errors && { errors }),
    call: (inputs, sides) => call(...operandsOf(inputs, sides)),
    reference: (inputs, sides) => {
      const [x, y] = operandsOf(inputs, sides);
      if (typeof x === 'number')
        return typed(
          elementwise((v) => fn(x, v), y as NdArray),
          options.result,
        );
      const values = typeof y === 'number' ? elementwise((v) => fn(v, y), x) : elementwise(fn, x, y);
      return typed(values, options.result);
    },
    timed: [
      {
        inputs: [
          { ...a, shape: [1024, 1024] },
          { ...b, shape: [1024, 1024] },
        ],
        attrs: both,
      },
    ],
    samples: [
      ...binaryShapes.map(([first, second]) => ({
        inputs: [
          { ...a, shape: first },
          { ...b, shape: second },
        ],
        attrs: both,
      })),
      { name: 'a number on the right', inputs: [{ ...a, shape: [3, 7] }], attrs: { a: true, b: false } },
      { name: 'a number on the left', inputs: [{ ...b, shape: [3, 7] }], attrs: { a: false, b: true } },
      ...(floating.length > 0
        ? [
            {
              name: 'special values',
              inputs: [
                { shape: [values.length, 1], values, grad: false as const },
                { shape: [values.length], values, grad: false as const },
              ],
              attrs: both,
              dtypes: floating,
            },
          ]
        : []),
    ],
  });
}
