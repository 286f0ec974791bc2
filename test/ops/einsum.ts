import { einsum, type Tensor, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

/** Loops over all labels; the equation has an arrow and no dots, and sizes of 1 broadcast. */
function summed(inputs: readonly (NdArray | null)[], equation: string, round: (x: number) => number): NdArray {
  const [left = '', output = ''] = equation.split('->');
  const terms = left.split(',');
  const sizes = new Map<string, number>();
  terms.forEach((term, i) => {
    [...term].forEach((label, d) => {
      sizes.set(label, Math.max(sizes.get(label) ?? 1, inputs[i]?.shape[d] as number));
    });
  });
  const inner = [...sizes.keys()].filter((label) => !output.includes(label));
  const total = inner.reduce((n, label) => n * (sizes.get(label) as number), 1);
  const value = (at: ReadonlyMap<string, number>): number =>
    terms
      .map((term, i) => {
        const x = inputs[i] as NdArray;
        return element(
          x,
          [...term].map((label, d) => (x.shape[d] === 1 ? 0 : (at.get(label) as number))),
        );
      })
      .reduce((a, b) => round(a * b));
  return fromCoordinates(
    [...output].map((label) => sizes.get(label) as number),
    (place) => {
      let sum = 0;
      for (let i = 0; i < total; i++) {
        const at = new Map([...output].map((label, d) => [label, place[d] as number]));
        let rest = i;
        for (const label of inner) {
          at.set(label, rest % (sizes.get(label) as number));
          rest = Math.floor(rest / (sizes.get(label) as number));
        }
        sum = round(sum + value(at));
      }
      return sum;
    },
  );
}

const sample = (attrs: string, ...shapes: number[][]) => ({ inputs: shapes.map((shape) => ({ shape })), attrs });

export default [
  defineRows<string>({
    name: 'einsum',
    dtypes: ['f32', 'f64', 'f16', 'bf16'],
    family: 'accumulating',
    call: (inputs, equation) => einsum(equation, ...(inputs as Tensor[])),
    reference: summed,
    samples: [
      sample('bik,bkj->bij', [2, 3, 4], [2, 4, 5]),
      sample('i,j->ij', [3], [4]),
      sample('ij,ij->', [3, 4], [3, 4]),
      sample('bhid,bhjd->bhij', [2, 2, 3, 4], [2, 2, 5, 4]),
      sample('ijk,ik->j', [2, 3, 4], [2, 4]),
      sample('bij,b->ji', [2, 3, 4], [2]),
      sample('ij,jk->ik', [2, 1], [3, 4]),
      sample('ji->ij', [2, 3]),
      sample('ij->', [2, 3]),
      sample('iij->ij', [3, 3, 2]),
    ],
    errors: [
      {
        name: 'another number of operands',
        run: () => einsum('ij,jk->ik', zeros([2, 3])),
        code: 'ERR_ARGUMENT',
        message: "einsum: 'ij,jk->ik' has 2 operands but 1 are given",
      },
      {
        name: 'another number of dimensions',
        run: () => einsum('ijk->i', zeros([2, 3])),
        code: 'ERR_ARGUMENT',
        message: "einsum: 'ijk' names 3 dimensions but the operand has shape [2, 3]",
      },
      {
        name: 'a label of two sizes',
        run: () => einsum('ij,jk->ik', zeros([2, 3]), zeros([4, 5])),
        code: 'ERR_SHAPE',
        message: "einsum: 'j' is 3 and 4",
      },
      {
        name: 'a result of nothing',
        run: () => einsum('ij->ik', zeros([2, 3])),
        code: 'ERR_ARGUMENT',
        message: "einsum: the result names 'k' twice, or no operand does",
      },
      {
        name: 'no letters',
        run: () => einsum('i1->i', zeros([2, 3])),
        code: 'ERR_ARGUMENT',
        message: "einsum: 'i1' is no list of letters",
      },
    ],
  }),
  // Dots, and no arrow: the same as the equation that is written out.
  defineRows<[string, string]>({
    name: 'einsum',
    title: 'einsum with dots and without an arrow',
    dtypes: ['f64'],
    family: 'accumulating',
    call: (inputs, [equation]) => einsum(equation, ...(inputs as Tensor[])),
    reference: (inputs, [, written], round) => summed(inputs, written, round),
    samples: [
      { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }], attrs: ['ij,jk', 'ij,jk->ik'] },
      { inputs: [{ shape: [3, 2] }, { shape: [4, 2] }], attrs: ['ba,ca', 'ba,ca->bc'] },
      { inputs: [{ shape: [5, 2, 3] }, { shape: [5, 3, 4] }], attrs: ['...ij,...jk->...ik', 'xij,xjk->xik'] },
      { inputs: [{ shape: [2, 3, 4] }], attrs: ['i...->...i', 'ixy->xyi'] },
      { inputs: [{ shape: [5, 2, 3] }, { shape: [3] }], attrs: ['...i,i', 'xyi,i->xy'] },
    ],
  }),
];
