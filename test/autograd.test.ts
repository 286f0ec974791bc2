import {
  add,
  assign,
  defineOp,
  grad,
  memory,
  mul,
  noGrad,
  relu,
  split,
  type Tensor,
  tensor,
  tidy,
  unbind,
} from 'tilegrad';
import { expect, test } from 'vitest';

test('gradients flow through broadcasting, views and reuse', async () => {
  const x = tensor(
    [
      [1, -2, 3],
      [4, 5, -6],
    ],
    { requiresGrad: true, dtype: 'f64' },
  );
  const b = tensor([1, 10, 100], { requiresGrad: true, dtype: 'f64' });
  const y = relu(add(mul(x, b), 1))
    .reshape(3, 2)
    .transpose();
  y.mul(y).sum().backward();
  expect(await x.grad?.tolist()).toEqual([
    [4, 0, 60200],
    [10, 1020, 0],
  ]);
  expect(await b.grad?.tolist()).toEqual([44, 510, 1806]);
});

test('parts that nothing depends on have gradients of zeros', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], { requiresGrad: true, dtype: 'f64' });
  const [, some, , one] = split(x, [2, 2, 0, 1, 1]);
  add(mul(some!, some!).sum(), one!.sum()).backward();
  expect(x.grad?.tolistSync()).toEqual([0, 0, 6, 8, 1, 0]);
  const rows = x.detach().reshape(2, 3).requiresGrad_();
  const columns = unbind(rows, 1);
  mul(columns[2]!, columns[0]!).sum().backward();
  expect(rows.grad?.tolistSync()).toEqual([
    [3, 0, 1],
    [6, 0, 4],
  ]);
});

test('every leaf owns the elements of its gradient', () => {
  const [a, b] = [tensor([1, 2, 3], { requiresGrad: true }), tensor([4, 5, 6], { requiresGrad: true })];
  // Both get the same gradient, and it is one number seen three times.
  for (let i = 0; i < 3; i++) tidy(() => a.add(b).sum().backward());
  expect(a.grad?.tolistSync()).toEqual([3, 3, 3]);
  expect(b.grad?.tolistSync()).toEqual([3, 3, 3]);
  const held = a.grad;
  tidy(() => a.sum().backward());
  expect(a.grad).toBe(held);
  expect(a.grad?.tolistSync()).toEqual([4, 4, 4]);
  expect(b.grad?.tolistSync()).toEqual([3, 3, 3]);
  const c = tensor([7, 8, 9], { requiresGrad: true });
  tidy(() => c.add(a).sum().backward());
  assign(c.grad!, tensor([1, 2, 3]));
  expect(a.grad?.tolistSync()).toEqual([5, 5, 5]);
});

test('second order', async () => {
  const x = tensor([2, 3], { requiresGrad: true, dtype: 'f64' });
  const y = x.mul(x).mul(x).sum();
  const [g] = grad(y, x, { createGraph: true });
  expect(await g?.tolist()).toEqual([12, 27]);
  const [h] = grad(g!.sum(), x);
  expect(await h?.tolist()).toEqual([12, 18]);
});

test('grad takes the gradient of a single output by itself', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const [g] = grad(x.square(), x, { gradOutputs: tensor([10, 100]) });
  expect(g!.tolistSync()).toEqual([20, 400]);
});

test('tidy and backward free what they made', () => {
  const before = memory().liveTensors;
  const w = tensor([1, 2, 3], { requiresGrad: true });
  for (let i = 0; i < 5; i++) {
    const loss = tidy(() => w.mul(w).add(1).relu().sum());
    loss.backward();
    loss.dispose();
  }
  expect(w.grad?.tolistSync()).toEqual([10, 20, 30]);
  w.grad?.dispose();
  w.dispose();
  expect(memory().liveTensors).toBe(before);
  expect(
    noGrad(() =>
      tidy(() =>
        tensor([1])
          .add(tensor([2]))
          .itemSync(),
      ),
    ),
  ).toBe(3);
  expect(memory().liveTensors).toBe(before);
});

test('a gradient rule that throws leaves nothing behind', () => {
  const failing = defineOp<(x: Tensor) => Tensor>('autograd_test_failing', {
    compute: ([x]) => mul(x as Tensor, 2),
    grad: (_, g) => {
      add(g as Tensor, 1);
      throw new Error('thrown on purpose');
    },
    onnx: 'none',
    call: (run) => (x) => run([x]),
  });
  const w = tensor([1, 2, 3], { requiresGrad: true });
  const before = memory().liveTensors;
  tidy(() => {
    const x = mul(w, 3);
    expect(() => add(failing(x), mul(x, x)).sum().backward()).toThrow('thrown on purpose');
  });
  expect(memory().liveTensors).toBe(before);
  w.dispose();
});
