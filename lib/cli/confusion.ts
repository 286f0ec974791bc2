import { TilegradError } from '../error.ts';

/**
 * Counts how often each class was taken for each other: row = true class, column = predicted class. Both lists hold
 * whole numbers from 0 to `classes` - 1 and are of one length, else `ERR_ARGUMENT` is thrown.
 */
export function confusionCounts(
  predicted: ArrayLike<number | bigint>,
  target: ArrayLike<number | bigint>,
  classes: number,
): number[][] {
  if (predicted.length !== target.length) {
    const text = `confusionCounts: ${predicted.length} predictions but ${target.length} targets`;
    throw new TilegradError('ERR_ARGUMENT', text);
  }
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < target.length; i++) {
    const row = counts[Number(target[i])];
    const column = Number(predicted[i]);
    if (row === undefined || row[column] === undefined) {
      const text = `confusionCounts: class ${target[i]} taken for ${predicted[i]} at ${i}, expected 0 to ${classes - 1}`;
      throw new TilegradError('ERR_ARGUMENT', text);
    }
    row[column] += 1;
  }
  return counts;
}

/**
 * A table of `confusionCounts`: true classes down, predicted classes across, zeros as dots, and for each true class the
 * share that was right. `labels` name the classes, default 0, 1, 2...
 */
export function confusionTable(counts: readonly (readonly number[])[], labels?: readonly string[]): string {
  const names = counts.map((_, i) => labels?.[i] ?? String(i));
  const cells = counts.map((row) => row.map((value) => (value === 0 ? '.' : String(value))));
  const nameWidth = Math.max('true'.length, ...names.map((name) => name.length));
  const widest = Math.max(...cells.flat().map((cell) => cell.length), String(counts.length - 1).length);
  // Long names stand beside their rows only; the columns then carry the number of the class.
  const short = names.every((name) => name.length <= widest);
  const heads = names.map((name, i) => (short ? name : String(i)));
  const sides = names.map((name, i) =>
    short ? name : `${name} ${String(i).padStart(String(counts.length - 1).length)}`,
  );
  const sideWidth = Math.max(nameWidth, ...sides.map((side) => side.length));
  const pad = (cell: string) => cell.padStart(widest);
  const lines = [
    `${''.padStart(sideWidth)}  predicted`,
    `${'true'.padStart(sideWidth)}  ${heads.map(pad).join(' ')}   right`,
    ...cells.map(
      (row, i) => `${(sides[i] as string).padStart(sideWidth)}  ${row.map(pad).join(' ')}  ${share(counts, i)}`,
    ),
  ];
  return lines.join('\n');
}

function share(counts: readonly (readonly number[])[], i: number): string {
  const row = counts[i] as readonly number[];
  const total = row.reduce((sum, value) => sum + value, 0);
  return total === 0 ? '      -' : `${((100 * (row[i] as number)) / total).toFixed(1).padStart(5)} %`;
}
