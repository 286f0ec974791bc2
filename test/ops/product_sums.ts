import { addmm, baddbmm, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

interface Factors {
  beta?: number;
  alpha?: number;
}

/** beta c + alpha a b, one product after the other. */
function scaledSum(
  [c, a, b]: readonly (NdArray | null)[],
  { beta = 1, alpha = 1 }: Factors,
  round: (x: number) => number,
): NdArray {
  const [left, right, base] = [a as NdArray, b as NdArray, c as NdArray];
  const shape = [...left.shape.slice(0, -1), right.shape.at(-1) as number];
  return fromCoordinates(shape, (at) => {
    const [row, column] = [at.at(-2) as number, at.at(-1) as number];
    let sum = 0;
    for (let k = 0; k < (left.shape.at(-1) as number); k++) {
      const lead = at.slice(0, -2);
      sum = round(sum + round(element(left, [...lead, row, k]) * element(right, [...lead, k, column])));
    }
    const place = at.slice(at.length - base.shape.length).map((i, d) => (base.shape[d] === 1 ? 0 : i));
    return round(round(alpha * sum) + round(beta * element(base, place)));
  });
}

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;

export default [
  defineRows<Factors>({
    name: 'addmm',
    dtypes: floats,
    family: 'accumulating',
    call: ([c, a, b], factors) => addmm(c!, a!, b!, factors),
    reference: scaledSum,
    samples: [
      { inputs: [{ shape: [3, 4] }, { shape: [3, 5] }, { shape: [5, 4] }], attrs: {} },
      { inputs: [{ shape: [4] }, { shape: [3, 5] }, { shape: [5, 4] }], attrs: { beta: 0.5, alpha: -2 } },
    ],
    errors: [
      {
        name: 'inner sizes that differ',
        run: () => addmm(zeros([2, 2]), zeros([2, 3]), zeros([4, 2])),
        code: 'ERR_SHAPE',
        message: 'matmul: a has 3 columns but b has 4 rows',
      },
    ],
  }),
  defineRows<Factors>({
    name: 'baddbmm',
    dtypes: floats,
    family: 'accumulating',
    call: ([c, a, b], factors) => baddbmm(c!, a!, b!, factors),
    reference: scaledSum,
    samples: [
      { inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 5] }, { shape: [2, 5, 4] }], attrs: { beta: 2 } },
      { inputs: [{ shape: [3, 1] }, { shape: [2, 3, 5] }, { shape: [2, 5, 4] }], attrs: { alpha: 3 } },
    ],
    errors: [
      {
        name: 'a mistyped option',
        run: () => baddbmm(zeros([2, 2]), zeros([1, 2, 3]), zeros([1, 3, 2]), { aplha: 2 } as never),
        code: 'ERR_ARGUMENT',
        message: "baddbmm: unknown option 'aplha', did you mean 'alpha'?",
      },
    ],
  }),
];
