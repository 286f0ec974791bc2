import { cast, type DType, dtypes } from 'tilegrad';
import { isFloat, roundTo } from '../support/floats.ts';
import { all, floats } from '../support/elementwise_rows.ts';
import { elementwise } from '../support/ndarray.ts';
import { defineRows, type Sample } from '../support/op_rows.ts';

interface To {
  to: DType;
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const bits: Partial<Record<DType, number>> = { i64: 64, i32: 32, i8: 8, u8: 8 };

/** The definition: floats round once, floats become integers by truncation within bounds, integers keep low bits. */
function converted(x: number, to: DType, isWhole: boolean): number {
  if (to === 'bool') return Number(x !== 0);
  const size = bits[to];
  if (size === undefined) return roundTo(to, x);
  if (isWhole) return Number(to === 'u8' ? BigInt.asUintN(size, BigInt(x)) : BigInt.asIntN(size, BigInt(x)));
  const [least, most] = to === 'u8' ? [0, 255] : [-(2 ** (size - 1)), 2 ** (size - 1) - 1];
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), least), most);
}

/** Where rounding, truncation and saturation show: ties of each format, bounds of each integer, both sides of them. */
const hard = [
  [
    nan,
    inf,
    -inf,
    0,
    -0,
    0.5,
    -0.5,
    0.999,
    -0.999,
    1.5,
    -1.5,
    2.5,
    127,
    127.9,
    128,
    -128,
    -128.9,
    -129,
    255,
    255.9,
    256,
  ],
  [2147483520, 2147483647, 2147483648, -2147483648, -2147483904, 9.2e18, 2 ** 63, 9.3e18, -9.3e18, 1e30, -1e30],
  [2049, 2051, 65504, 65519, 65520, 65536, 6e-8, 3e-8, 2.9e-8, 1e-40, 3.3e38, 3.4e38, 257, 259, 16777217],
  // Just beside a tie of f16 and of bf16, closer than f32 can tell.
  [1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -11 - 2 ** -40, 1 + 3 * 2 ** -11 - 2 ** -40, 1 + 2 ** -8 + 2 ** -40, 1 + 2 ** -8],
].flat();
const wholes = [0, 1, -1, 2, 100, 127, 128, 200, 255, 256, -128, -129, 65519, 65520, 2147483647, -2147483648, 16777217];

// A difference quotient sees the steps of a narrower float, so that only f64 counts as smooth.
const samples = (to: DType): Sample<To>[] => [
  ...[[], [3, 17], [1037], [0, 2]].map((shape) => ({
    inputs: [{ shape, ...(shape[0] === 1037 && { range: [0, 100] as const }) }],
    attrs: { to },
    ...(to !== 'f64' && { smooth: false as const }),
  })),
  {
    name: `hard values to ${to}`,
    inputs: [{ shape: [hard.length], values: hard, grad: false }],
    attrs: { to },
    dtypes: floats,
  },
  {
    name: `whole numbers to ${to}`,
    inputs: [{ shape: [wholes.length], values: wholes }],
    attrs: { to },
    dtypes: ['i64', 'i32'],
  },
];

export default dtypes.map((to) =>
  defineRows<To>({
    name: 'cast',
    title: `cast to ${to}`,
    dtypes: all,
    family: 'exact',
    ...(!isFloat(to) && { differentiable: false }),
    call: ([x], attrs) => cast(x!, attrs.to),
    reference: ([x], attrs) => {
      // Whether the elements are whole by dtype cannot be seen from the values: integers below 2^31 agree in both rules.
      const isWhole = x!.data.every((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 53);
      return { ...elementwise((value) => converted(value, attrs.to, isWhole), x!), dtype: attrs.to };
    },
    samples: samples(to),
  }),
);
