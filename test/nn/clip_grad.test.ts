// Bounds on gradients.
import { memory, nn, type Tensor, tensor, zeros } from 'tilegrad';
import { expect, test } from 'vitest';

function withGradients(...grads: number[][]): nn.Parameter[] {
  return grads.map((values) => {
    const parameter = new nn.Parameter(zeros([values.length]));
    parameter.grad = tensor(values).keep();
    return parameter;
  });
}
const grads = (parameters: nn.Parameter[]): unknown => parameters.map(({ grad }) => grad?.tolistSync());

test('the norm over all gradients is cut to the limit, and returned as it was', () => {
  const parameters = withGradients([3], [0, 4]);
  const held = parameters.map(({ grad }) => grad);
  const before = memory().liveTensors;
  const norm = nn.utils.clipGradNorm_(parameters, 1);
  expect(norm.itemSync()).toBeCloseTo(5, 5);
  norm.dispose();
  expect(memory().liveTensors).toBe(before);
  const [[a], [b, c]] = grads(parameters) as [number[], number[]];
  expect(a).toBeCloseTo(0.6, 5);
  expect([b, (c as number).toFixed(5)]).toEqual([0, '0.80000']);
  expect(parameters.map(({ grad }) => grad)).toEqual(held);
});

test('smaller gradients stay as they are', () => {
  const parameters = withGradients([3], [0, 4]);
  expect(nn.utils.clipGradNorm_(parameters, 10).itemSync()).toBeCloseTo(5, 5);
  expect(grads(parameters)).toEqual([[3], [0, 4]]);
});

test('other norms, one parameter, none', () => {
  const parameters = withGradients([3], [0, -4]);
  expect(nn.utils.clipGradNorm_(parameters, 100, { normType: Number.POSITIVE_INFINITY }).itemSync()).toBe(4);
  expect(nn.utils.clipGradNorm_(parameters, 100, { normType: 1 }).itemSync()).toBeCloseTo(7, 5);
  expect(nn.utils.clipGradNorm_(parameters[0] as Tensor, 100).itemSync()).toBeCloseTo(3, 5);
  expect(nn.utils.clipGradNorm_([zeros([1])], 1).itemSync()).toBe(0);
  expect(() => nn.utils.clipGradNorm_(parameters, 1, { normType: 0 })).toThrow('normType must be above 0 but is 0');
  expect(() => nn.utils.clipGradNorm_(parameters, 1, { norm: 1 } as object)).toThrow("unknown option 'norm'");
});

test('values are cut one by one', () => {
  const parameters = withGradients([3, -0.5], [0, -4]);
  nn.utils.clipGradValue_(parameters, 1);
  expect(grads(parameters)).toEqual([
    [1, -0.5],
    [0, -1],
  ]);
});
