import {
  add,
  assign,
  defineOp,
  grad,
  memory,
  mul,
  narrow,
  noGrad,
  relu,
  select,
  split,
  stack,
  type Tensor,
  tensor,
  tidy,
  trace,
  unbind,
  zeros,
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

test('parts that each are taken alone add up in one gradient', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], { shape: [3, 2], requiresGrad: true, dtype: 'f64' });
  const weights = tensor([10, 20], { dtype: 'f64' });
  // Overlapping parts, the whole between them, one part twice.
  const terms = [narrow(x, 0, 0, 2), x, narrow(x, 0, 1, 2), select(x, 1, 1), select(x, 0, 2), select(x, 0, 2)];
  const total = () => terms.map((part, i) => mul(part.rank === 2 ? mul(part, weights) : part, i + 1).sum());
  const sums = total();
  const [once] = grad(sums.reduce(add), x, { retainGraph: true }) as [Tensor];
  expect(once.tolistSync()).toEqual([
    [30, 64],
    [60, 124],
    [61, 115],
  ]);
  const [recorded] = grad(sums.reduce(add), x, { createGraph: true }) as [Tensor];
  expect(recorded.tolistSync()).toEqual(once.tolistSync());
});

test('a gradient that another branch sees as a view stays as it is', () => {
  const x = tensor([1, 2, 3, 4], { requiresGrad: true, dtype: 'f64' });
  const y = mul(x, 2);
  const part = narrow(y, 0, 0, 2);
  const other = tensor([5, 6, 7, 8], { shape: [2, 2], requiresGrad: true, dtype: 'f64' });
  // The gradient of the sum goes to y and, reshaped, to `other`, before that of the part comes to y.
  const sum = add(y, other.reshape(4));
  add(sum.sum(), part.sum()).backward();
  expect(x.grad?.tolistSync()).toEqual([4, 4, 2, 2]);
  expect(other.grad?.tolistSync()).toEqual([
    [1, 1],
    [1, 1],
  ]);
});

test('of many parts of one tensor one writes a whole gradient', () => {
  const x = zeros([50, 3], { requiresGrad: true });
  const sum = stack(Array.from({ length: 50 }, (_, row) => mul(select(x, 0, row), row).sum())).sum();
  const sizes = new Map<string, number>();
  const tracer = ({ name }: { name: string }, _inputs: unknown, _attrs: unknown, outputs: readonly Tensor[]): void => {
    if (outputs.some((output) => output.numel === x.numel)) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  };
  trace(tracer, () => sum.backward());
  expect([...sizes]).toEqual([['slice_input_grad', 1]]);
  expect(x.grad?.tolistSync()).toEqual(Array.from({ length: 50 }, (_, row) => [row, row, row]));
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
