// Sums of products by Einstein's convention: each pair of operands becomes one batched matrix product.
import { TilegradError } from '../error.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensors } from './arguments.ts';
import { matmul } from './matmul.ts';
import { diagonal } from './parts.ts';
import { sum } from './reduce.ts';
import { expand, permute, reshape } from './views.ts';

/** A tensor whose dimensions have names. */
interface Named {
  x: Tensor;
  labels: readonly string[];
}

const fail = (text: string): never => {
  throw new TilegradError('ERR_ARGUMENT', `einsum: ${text}`);
};

/** The names of an operand's dimensions; what `...` stands for is named by its distance from its end. */
function labelsOf(term: string, x: Tensor | null): string[] {
  const [before = '', after, more] = term.split('...');
  if (more !== undefined || /[^a-zA-Z]/.test(before + (after ?? ''))) fail(`'${term}' is no list of letters`);
  const letters = before.length + (after?.length ?? 0);
  const rank = x?.rank ?? letters;
  if (after === undefined ? letters !== rank : letters > rank)
    fail(`'${term}' names ${letters} dimensions but the operand has shape [${x?.shape.join(', ')}]`);
  const hidden = Array.from({ length: rank - letters }, (_, i) => `.${rank - letters - i}`);
  return [...before, ...hidden, ...(after ?? '')];
}

/** The labels that stand alone, in the order of the alphabet, behind what `...` stands for. */
function implied(terms: readonly (readonly string[])[]): string[] {
  const all = terms.flat();
  const hidden = [...new Set(all.filter((label) => label.startsWith('.')))];
  const alone = all.filter((label) => !label.startsWith('.') && all.filter((other) => other === label).length === 1);
  return [...hidden.sort((a, b) => Number(b.slice(1)) - Number(a.slice(1))), ...alone.sort()];
}

/** Takes the diagonal of dimensions that have one name. */
function withoutRepeats({ x, labels }: Named): Named {
  const second = labels.findIndex((label, i) => labels.indexOf(label) !== i);
  if (second < 0) return { x, labels };
  const label = labels[second] as string;
  const first = labels.indexOf(label);
  if (x.shape[first] !== x.shape[second])
    throw new TilegradError('ERR_SHAPE', `einsum: '${label}' is ${x.shape[first]} and ${x.shape[second]}`);
  const rest = labels.filter((_, i) => i !== first && i !== second);
  return withoutRepeats({ x: diagonal(x, 0, first, second), labels: [...rest, label] });
}

/** Sums over the dimensions that nothing else names. */
function reduced({ x, labels }: Named, needed: ReadonlySet<string>): Named {
  const dims = labels.flatMap((label, i) => (needed.has(label) ? [] : [i]));
  return dims.length === 0 ? { x, labels } : { x: sum(x, dims), labels: labels.filter((label) => needed.has(label)) };
}

const arranged = ({ x, labels }: Named, order: readonly string[]): Tensor =>
  permute(
    x,
    order.map((label) => labels.indexOf(label)),
  );

/** The product of two operands, summed over what only they name. */
function contract(a: Named, b: Named, needed: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Named {
  const inBoth = a.labels.filter((label) => b.labels.includes(label));
  const batch = inBoth.filter((label) => needed.has(label));
  const inner = inBoth.filter((label) => !needed.has(label));
  const [left, right] = [a, b].map(({ labels }) => labels.filter((label) => !inBoth.includes(label))) as [
    string[],
    string[],
  ];
  const count = (labels: readonly string[]) => labels.reduce((n, label) => n * (sizes.get(label) as number), 1);
  const shape = (labels: readonly string[]) => labels.map((label) => sizes.get(label) as number);
  const product = matmul(
    reshape(arranged(a, [...batch, ...left, ...inner]), [...shape(batch), count(left), count(inner)]),
    reshape(arranged(b, [...batch, ...inner, ...right]), [...shape(batch), count(inner), count(right)]),
  );
  const labels = [...batch, ...left, ...right];
  return { x: reshape(product, shape(labels)), labels };
}

/**
 * Multiplies the operands and sums over the labels that the result does not name: `einsum('bik,bkj->bij', a, b)` is a batched
 * matrix product, 'ii->i' a diagonal, 'ij->' a sum. Without '->' the labels that occur once are kept, in alphabetical
 * order; '...' stands for leading dimensions, and sizes of 1 broadcast. Floating-point dtypes where there are several
 * operands. Throws ERR_ARGUMENT for an equation that is none or does not fit, ERR_SHAPE for a label of two sizes. As
 * torch.einsum, contracting from left to right.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  expectTensors('einsum', operands);
  if (typeof equation !== 'string') fail('the equation must be a text');
  const [left = '', right, more] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (more !== undefined) fail(`'${equation}' has more than one arrow`);
  if (terms.length !== operands.length)
    fail(`'${equation}' has ${terms.length} operands but ${operands.length} are given`);
  const names = terms.map((term, i) => labelsOf(term, operands[i] as Tensor));
  const hidden = implied(names).filter((label) => label.startsWith('.'));
  const output =
    right === undefined ? implied(names) : [...right.replace('...', '\0')].flatMap((c) => (c === '\0' ? hidden : [c]));
  const missing = output.find((label, i) => !names.flat().includes(label) || output.indexOf(label) !== i);
  if (missing !== undefined) fail(`the result names '${missing}' twice, or no operand does`);

  const sizes = new Map<string, number>();
  names.forEach((labels, i) => {
    labels.forEach((label, dim) => {
      const [size, known = 1] = [operands[i]?.shape[dim] as number, sizes.get(label)];
      if (size !== 1 && known !== 1 && size !== known)
        throw new TilegradError('ERR_SHAPE', `einsum: '${label}' is ${known} and ${size}`);
      sizes.set(label, known === 1 ? size : known);
    });
  });
  const named = names.map((labels, i): Named => {
    const shape = labels.map((label) => sizes.get(label) as number);
    const x = operands[i] as Tensor;
    return withoutRepeats({ x: shape.every((size, dim) => size === x.shape[dim]) ? x : expand(x, shape), labels });
  });
  const result = named.reduce((before, next, i) => {
    const needed = new Set([...output, ...named.slice(i + 1).flatMap(({ labels }) => labels)]);
    const both = new Set([...needed, ...before.labels.filter((label) => next.labels.includes(label))]);
    return contract(reduced(before, both), reduced(next, both), needed, sizes);
  });
  return arranged(reduced(result, new Set(output)), output);
}
