// Makes the tests of every op out of the rows in test/ops: on each device, in each dtype, one test per aspect.
import { readdirSync } from 'node:fs';
import { cudaIsAvailable, type DeviceName, type DType } from 'tilegrad';
import * as tilegrad from 'tilegrad';
import { describe, expect, type TestContext, test } from 'vitest';
import { definedOps } from '../lib/op.ts';
import { isFloat } from './support/floats.ts';
import { type AnyRows, asksGradient, type Case, casesOf, hasSamples, titleOf } from './support/op_cases.ts';
import {
  checkErrors,
  checkLayouts,
  checkNoGradient,
  checkRepeats,
  checkValues,
  expectNone,
  faultsOf,
} from './support/op_checks.ts';
import {
  checkGradientPrecision,
  checkGradients,
  checkNoSecondOrder,
  checkSecondOrder,
} from './support/op_gradient_checks.ts';

/** Ops that no row proves yet. It only ever gets shorter: a new op comes with its rows. */
const withoutRows: readonly string[] = [];

const folder = new URL('ops/', import.meta.url);
const libraryOps = [...definedOps.keys()];
const rows: AnyRows[] = [];
for (const file of readdirSync(folder).sort()) {
  try {
    const { default: exported } = (await import(new URL(file, folder).href)) as { default: AnyRows | AnyRows[] };
    rows.push(...[exported].flat());
  } catch (error) {
    // One file that does not load must not hide the others.
    test(`test/ops/${file} loads`, () => {
      throw error;
    });
  }
}

/** Those present, or of them the one that the variable names. */
const devices = (cudaIsAvailable() ? (['cpu', 'cuda'] as const) : (['cpu'] as const)).filter(
  (device) => (process.env.TILEGRAD_TEST_DEVICES ?? device) === device,
);

/** The op, or another one that it is made of, may lack a kernel on the device. */
const noKernel = /\w+: has no kernel for cuda/;

/** The inputs that were made last: the aspects of one row in one dtype share them. */
let made: { row: AnyRows; dtype: DType; device: DeviceName; cases: Case[] } | undefined;

function sharedCases(row: AnyRows, dtype: DType, device: DeviceName): Case[] {
  if (made?.row !== row || made.dtype !== dtype || made.device !== device)
    made = { row, dtype, device, cases: casesOf(row, dtype, device) };
  return made.cases;
}

/** What to check where not all is, for a further instruction set or under an emulator: aspects (`values,layouts`), dtypes. */
const wantedAspects = process.env.TILEGRAD_TEST_ASPECTS?.split(',');
const wantedDtypes = process.env.TILEGRAD_TEST_DTYPES?.split(',');
const isWanted = (aspect: string) => wantedAspects?.includes(aspect) ?? true;
const dtypesOf = (row: AnyRows) =>
  row.dtypes.filter((dtype) => hasSamples(row, dtype) && (wantedDtypes?.includes(dtype) ?? true));

type Check = (c: Case) => readonly string[];

/** The aspects of a row in a dtype on a device: names and what they check. */
function aspectsOf(row: AnyRows, dtype: DType, device: DeviceName): [string, Check][] {
  const always: [string, Check][] = [
    ['values', checkValues],
    ['layouts', checkLayouts],
    ['repeats', checkRepeats],
  ];
  if (!isFloat(dtype)) return always;
  if (row.differentiable === false) return [...always, ['without gradient', checkNoGradient]];
  const asked = (check: Check) => (c: Case) => (asksGradient(c) ? check(c) : []);
  if (dtype !== 'f64' || device !== 'cpu') return [...always, ['gradients', asked(checkGradientPrecision)]];
  const second = row.secondOrder === false ? checkNoSecondOrder : checkSecondOrder;
  return [...always, ['gradients', asked(checkGradients)], ['second order', asked(second)]];
}

/** Fails with the faults; skips where all of them say that CUDA has no kernel. */
function judge(context: TestContext, faults: readonly string[]): void {
  if (faults.length > 0 && faults.every((fault) => noKernel.test(fault))) context.skip(noKernel.exec(faults[0]!)![0]);
  expectNone(faults);
}

const titles = rows.map(titleOf);
rows.forEach((row, r) => {
  const before = titles.slice(0, r).filter((title) => title === titles[r]).length;
  const tests = devices.flatMap((device) =>
    dtypesOf(row).flatMap((dtype) =>
      aspectsOf(row, dtype, device)
        .filter(([aspect]) => isWanted(aspect))
        .map(([aspect, check]) => ({ device, dtype, aspect, check })),
    ),
  );
  const hasErrors = Boolean(row.errors?.length) && isWanted('errors');
  // A choice may leave nothing of a row; an empty group would fail.
  if ((wantedAspects || wantedDtypes) && tests.length === 0 && !hasErrors) return;
  describe(before > 0 ? `${titles[r]} (${before + 1})` : titles[r]!, () => {
    for (const { device, dtype, aspect, check } of tests)
      test(`${device} ${dtype} ${aspect}`, (context) => {
        judge(context, faultsOf(sharedCases(row, dtype, device), check));
      });
    if (hasErrors) test('errors', async (context) => judge(context, await checkErrors(row)));
  });
});

describe('the rows', () => {
  const named = new Set(rows.flatMap((row) => [row.name, ...(row.covers ?? [])]));
  const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

  test('prove every op but those listed here', () => {
    expect(libraryOps.filter((name) => !named.has(name)).sort()).toEqual([...withoutRows].sort());
  });

  test('name ops or public functions', () => {
    const known = (name: string) => definedOps.has(name) || camelCase(name) in tilegrad;
    expect([...named].filter((name) => !known(name))).toEqual([]);
  });

  test('give f64 where there is a gradient', () => {
    const wrong = rows.filter((row) => row.differentiable !== false && !row.dtypes.includes('f64'));
    expect(wrong.map(titleOf)).toEqual([]);
  });

  test('have samples for each of their dtypes', () => {
    const missing = rows.flatMap((row) =>
      row.dtypes.filter((dtype) => !hasSamples(row, dtype)).map((dtype) => `${titleOf(row)} ${dtype}`),
    );
    expect(missing).toEqual([]);
  });
});
