// The generator of test/ops.test.ts finds planted faults: wrong values, layouts, gradients, errors, leaks.
import { add, assign, defineOp, full, mul, noGrad, relu, sum, type Tensor, TilegradError } from 'tilegrad';
import { describe, expect, test } from 'vitest';
import { roundTo, ulpDistance } from './support/floats.ts';
import { elementwise } from './support/ndarray.ts';
import { type AnyRows, casesOf } from './support/op_cases.ts';
import {
  checkErrors,
  checkLayouts,
  checkNoGradient,
  checkRepeats,
  checkValues,
  faultsOf,
} from './support/op_checks.ts';
import {
  checkGradientPrecision,
  checkGradients,
  checkNoSecondOrder,
  checkSecondOrder,
} from './support/op_gradient_checks.ts';
import { defineRows, type OpRows } from './support/op_rows.ts';

type Unary = (x: Tensor) => Tensor;

/** x^2 with a gradient rule of its own. */
const square = (name: string, gradient: (x: Tensor, dout: Tensor) => Tensor): Unary =>
  defineOp(name, {
    call: (run) => (x: Tensor) => run([x]),
    compute: ([x]) => mul(x!, x!),
    saves: { inputs: [0] },
    grad: (ctx, dout) => [gradient(ctx.input(0), dout)],
    onnx: 'none',
  });

const right = square('generator_square', (x, dout) => mul(dout, mul(x, 2)));
const wrongFactor = square('generator_wrong_factor', (x, dout) => mul(dout, mul(x, 2.001)));
const wrongSecond = square('generator_wrong_second', (x, dout) => mul(dout, mul(x.detach(), 2)));
const noSecond = square('generator_no_second', (x, dout) => {
  if (x.requiresGrad && dout.requiresGrad)
    throw new TilegradError('ERR_UNSUPPORTED', 'generator_no_second: the gradient has no gradient');
  return noGrad(() => mul(dout, mul(x, 2)));
});

const kept: Tensor[] = [];
let calls = 0;

const rowsOf = (call: Unary, changes: Partial<OpRows> = {}): AnyRows =>
  defineRows({
    name: 'generator_square',
    dtypes: ['f32', 'f64'],
    family: 'elementwise',
    call: ([x]) => call(x!),
    reference: ([x]) => elementwise((value) => value * value, x!),
    samples: [{ inputs: [{ shape: [3, 5] }] }, { inputs: [{ shape: [0, 2] }] }],
    ...changes,
  }) as AnyRows;

const checks = { checkValues, checkLayouts, checkRepeats, checkGradients, checkSecondOrder };

/** The checks that find a fault in f64. */
const foundBy = (rows: AnyRows) =>
  Object.entries(checks).flatMap(([name, check]) =>
    faultsOf(casesOf(rows, 'f64', 'cpu'), check).length > 0 ? [name] : [],
  );

describe('a row without fault passes', () => {
  test('every check', () => expect(foundBy(rowsOf(right))).toEqual([]));
  test('the precision of gradients', () =>
    expect(faultsOf(casesOf(rowsOf(right), 'f32', 'cpu'), checkGradientPrecision)).toEqual([]));
});

describe('a planted fault is found', () => {
  test('in expanded inputs of a fixed dtype', () => {
    const rows = defineRows({
      name: 'generator_square',
      dtypes: ['f64'],
      family: 'elementwise',
      differentiable: false,
      call: ([x, factors]) => mul(x!, factors!.stride().includes(0) ? add(factors!, 1) : factors!),
      reference: ([x, factors]) => ({ shape: x!.shape, data: x!.data.map((value, i) => value * factors!.data[i]!) }),
      samples: [
        {
          inputs: [
            { shape: [4], expandable: false },
            { shape: [4], dtype: 'i32' },
          ],
        },
      ],
    }) as AnyRows;
    expect(faultsOf(casesOf(rows, 'f64', 'cpu'), checkValues)).toEqual([]);
    expect(faultsOf(casesOf(rows, 'f64', 'cpu'), checkLayouts)[0]).toMatch(/expanded inputs: element/);
  });
  test('in the values, with place, expectation and distance', () => {
    const rows = rowsOf((x) => mul(mul(x, x), 1 + 2 ** -20));
    expect(foundBy(rows)).toEqual(['checkValues']);
    const [fault] = faultsOf(casesOf(rows, 'f32', 'cpu'), checkValues);
    expect(fault).toMatch(
      /^sample \[3, 5\]: element 0 \[0, 0\]: got \S+, expected \S+ \(\d+ ULP apart, 4 allowed\); 15 of/,
    );
  });
  test('in the shape and the dtype', () => {
    expect(faultsOf(casesOf(rowsOf(sum), 'f32', 'cpu'), checkValues)[0]).toContain('has shape [], expected [3, 5]');
    const masks = rowsOf(right, { reference: ([x]) => ({ ...x!, dtype: 'bool' }) });
    expect(faultsOf(casesOf(masks, 'f32', 'cpu'), checkValues)[0]).toContain('has dtype f32, expected bool');
  });
  test('in one layout', () => {
    expect(foundBy(rowsOf((x) => (x.isContiguous() ? right(x) : right(mul(x, 1.5)))))).toContain('checkLayouts');
    expect(foundBy(rowsOf((x) => (x.stride().includes(0) ? right(add(x, 1)) : right(x))))).toEqual(['checkLayouts']);
  });
  test('in what a second run gives', () => {
    expect(foundBy(rowsOf((x) => mul(right(x), 1 + 2 ** -52 * (calls++ % 2))))).toEqual(['checkRepeats']);
  });
  test('in the gradient', () => expect(foundBy(rowsOf(wrongFactor))).toContain('checkGradients'));
  test('in the gradient of the gradient', () => expect(foundBy(rowsOf(wrongSecond))).toEqual(['checkSecondOrder']));
  test('in the gradient of a low precision', () => {
    const rows = rowsOf((x) => (x.dtype === 'f32' ? wrongFactor(x) : right(x)));
    expect(faultsOf(casesOf(rows, 'f32', 'cpu'), checkGradientPrecision)[0]).toContain('gradient of input 0: element');
  });
  test('in a gradient that is not there', () => {
    expect(foundBy(rowsOf((x) => right(x.detach())))).toEqual(['checkGradients', 'checkSecondOrder']);
    expect(faultsOf(casesOf(rowsOf(right), 'f64', 'cpu'), checkNoGradient)[0]).toContain('requires a gradient');
    expect(faultsOf(casesOf(rowsOf(right), 'f64', 'cpu'), checkNoSecondOrder)[0]).toContain('gave a result');
    expect(faultsOf(casesOf(rowsOf(noSecond), 'f64', 'cpu'), checkNoSecondOrder)).toEqual([]);
  });
  test('in what is left behind', () => {
    const leaking = rowsOf((x) => {
      kept.push(full([4], 1).keep());
      return right(x);
    });
    expect(faultsOf(casesOf(leaking, 'f64', 'cpu'), checkValues)[0]).toContain('leaves 1 tensors and');
    for (const tensor of kept.splice(0)) tensor.dispose();
  });
  test('in an input that is written to', () => {
    const rows = rowsOf((x) => {
      const y = right(x);
      noGrad(() => assign(x, y));
      return y;
    });
    expect(faultsOf(casesOf(rows, 'f64', 'cpu'), checkValues)[0]).toContain('input 0 was changed: element 0 [0, 0]');
  });
  test('in errors', async () => {
    const wrongShapes = () => add(full([2], 0), full([3], 0));
    const errors = async (code: string, message: string, run: () => unknown = wrongShapes) =>
      (await checkErrors(rowsOf(relu, { errors: [{ name: 'shapes', run, code, message }] }))).join();
    expect(await errors('ERR_SHAPE', 'add: ')).toBe('');
    expect(await errors('ERR_DTYPE', 'add: ')).toContain('threw ERR_SHAPE: add: ');
    expect(await errors('ERR_SHAPE', 'mul: ')).toContain('threw ERR_SHAPE: add: ');
    expect(await errors('ERR_SHAPE', 'add: ', () => full([2], 0))).toContain('nothing was thrown');
  });
});

test('distances and rounding', () => {
  expect(ulpDistance('f32', 1, 1 + 2 ** -23)).toBe(1);
  expect(ulpDistance('f32', 1, 1 - 2 ** -24)).toBe(1);
  expect(ulpDistance('f64', 1, 1 + 2 ** -52)).toBe(1);
  expect(ulpDistance('f16', 2 ** -24, -(2 ** -24))).toBe(2);
  expect(ulpDistance('f32', 3.4028234663852886e38, Number.POSITIVE_INFINITY)).toBe(1);
  expect(ulpDistance('f32', 0, -0)).toBe(0);
  for (const x of [0.1, 1e-42, 3.4028235e38, 3.4028236e38, -7.77e-39, 16777217])
    expect(roundTo('f32', x)).toBe(Math.fround(x));
  expect(roundTo('f16', 65519.99)).toBe(65504);
  expect(roundTo('f16', 65520)).toBe(Number.POSITIVE_INFINITY);
  expect(roundTo('f16', 2 ** -25)).toBe(0);
  expect(roundTo('f16', 2 ** -24 * 1.5)).toBe(2 ** -23);
  expect(roundTo('bf16', 1 + 2 ** -8)).toBe(1);
  expect(roundTo('bf16', 1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
});
