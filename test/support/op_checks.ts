// What the generator asks of every row, beside gradients (op_gradient_checks.ts). Each check gives its faults in words.
import { getNumThreads, noGrad, setNumThreads, Tensor, TilegradError } from 'tilegrad';
import { bitFault, formFault, judge, judgeWithin, type Output, sameBits } from './judge.ts';
import {
  type AnyRows,
  type Case,
  callRow,
  inScope,
  isLarge,
  leavingNothing,
  place,
  reference,
  run,
  wantsGrad,
} from './op_cases.ts';
import { expandedDim, layouts, read, repeated } from './placed.ts';
import type { Input } from './seeded.ts';

/** Runs `check` for every case and gathers what it says and throws, with the names of the samples. */
export function faultsOf(cases: readonly Case[], check: (c: Case) => readonly string[]): string[] {
  return cases.flatMap((c) => {
    const where = `sample ${c.name}`;
    try {
      return check(c).map((fault) => `${where}: ${fault}`);
    } catch (error) {
      const code = error instanceof TilegradError ? `${error.code} ` : '';
      return [`${where}: threw ${code}${(error as Error).stack?.split('\n').slice(0, 4).join('\n')}`];
    }
  });
}

/** The faults of outputs against the reference. */
function judgeAll(c: Case, inputs: readonly (Input | null)[], outputs: readonly Output[]): string[] {
  const truth = reference(c, inputs);
  if (truth.length !== outputs.length) return [`${outputs.length} outputs, expected ${truth.length}`];
  const naive = c.row.family === 'accumulating' ? reference(c, inputs, true) : null;
  return outputs.flatMap((output, i) => {
    const label = outputs.length > 1 ? `output ${i} ` : '';
    const form = formFault(output, truth[i]!, c.dtype);
    if (form) return [`${label}${form}`];
    const fault = judge(output, truth[i]!, c.row.family, naive?.[i] ?? null);
    return fault ? [`${label}${fault}`] : [];
  });
}

/** The values are those of the reference, and inputs stay as they were unless the sample says that they are written. */
export function checkValues(c: Case): string[] {
  const changed: string[] = [];
  const outputs = leavingNothing(c.device, () =>
    noGrad(() => {
      const inputs = place(c, 'plain');
      const values = callRow(c, inputs).map(read);
      c.inputs.forEach((x, i) => {
        const fault = x && x.spec.expandable !== false && judgeWithin(read(inputs[i]!), x.data, 0);
        if (fault) changed.push(`input ${i} was changed: ${fault}`);
      });
      return values;
    }),
  );
  return [...judgeAll(c, c.inputs, outputs), ...changed];
}

/** Other layouts of the same inputs give the same bits, or at least values within tolerance. */
export function checkLayouts(c: Case): string[] {
  const plain = run(c);
  const tried = isLarge(c) ? layouts.slice(0, 1) : layouts;
  const faults = tried.flatMap((layout) => {
    const outputs = run(c, layout);
    if (outputs.every((output, i) => plain[i] && sameBits(output, plain[i]))) return [];
    return judgeAll(c, c.inputs, outputs).map((fault) => `${layout} inputs: ${fault}`);
  });
  if (isLarge(c) || !c.inputs.some((x, i) => x && expandedDim(x, i) !== undefined)) return faults;
  const inputs = c.inputs.map((x, i) => x && repeated(x, i));
  const materialised = run(c, 'plain', inputs);
  const outputs = run(c, 'expanded', inputs);
  if (outputs.every((output, i) => materialised[i] && sameBits(output, materialised[i]))) return faults;
  return [...faults, ...judgeAll(c, inputs, outputs).map((fault) => `expanded inputs: ${fault}`)];
}

/** The same bits in a second run and with 1, 2 and 3 threads. */
export function checkRepeats(c: Case): string[] {
  const before = getNumThreads();
  const first = run(c);
  const compare = (what: string): string[] =>
    run(c).flatMap((output, i) => {
      const fault = bitFault(output, first[i]!);
      return fault ? [`${what}: output ${i} ${fault}`] : [];
    });
  try {
    return [
      ...compare('a second run'),
      ...[1, 2, 3].flatMap((count) => {
        setNumThreads(count);
        return compare(`${count} threads instead of ${before}`);
      }),
    ];
  } finally {
    setNumThreads(before);
  }
}

/** An op without gradient ends the graph: its outputs ask for none. */
export function checkNoGradient(c: Case): string[] {
  const grads = new Set(c.inputs.flatMap((x, i) => (wantsGrad(x) ? [i] : [])));
  return inScope(() =>
    callRow(c, place(c, 'plain', c.inputs, grads)).flatMap((output, i) => {
      read(output);
      return output.requiresGrad ? [`output ${i} requires a gradient, but the row says that there is none`] : [];
    }),
  );
}

/** Wrong calls throw what the row says, at once or where the values are awaited. */
export async function checkErrors(row: AnyRows): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, run: call, code, message } of row.errors ?? []) {
    let thrown: unknown;
    try {
      const result = await call();
      for (const output of [result].flat()) if (output instanceof Tensor) await output.data();
    } catch (error) {
      thrown = error;
    }
    const expected = `${code}: ${message}`;
    if (thrown === undefined) faults.push(`error ${name}: nothing was thrown, expected ${expected}`);
    else if (!(thrown instanceof TilegradError)) faults.push(`error ${name}: threw ${thrown}, expected ${expected}`);
    else if (
      thrown.code !== code ||
      !(typeof message === 'string' ? thrown.message.includes(message) : message.test(thrown.message))
    )
      faults.push(`error ${name}: threw ${thrown.code}: ${thrown.message}, expected ${expected}`);
    else if (/^(\w+: )\1/.test(thrown.message)) faults.push(`error ${name}: names the op twice: ${thrown.message}`);
  }
  return faults;
}

/** Throws the faults, the first ones in full. */
export function expectNone(faults: readonly string[], shown = 8): void {
  const rest = faults.length - shown;
  if (faults.length > 0)
    throw new Error([...faults.slice(0, shown), ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n'));
}
