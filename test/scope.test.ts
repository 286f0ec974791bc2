// Lifetimes: tidy, Scope, using, keep, dispose, and what happens at the memory limit.
import {
  add,
  getDefaultDevice,
  index,
  keep,
  memory,
  mul,
  noGrad,
  relu,
  Scope,
  type Tensor,
  TilegradError,
  tensor,
  tidy,
  zeros,
} from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const live = () => memory().liveTensors;
const isDisposed = (x: Tensor) => x.isDisposed;

describe('tidy', () => {
  test('frees what is not in the result', () => {
    const before = live();
    const [x, y] = tidy(() => {
      const a = tensor([1, 2]);
      const b = add(a, 1);
      return [mul(b, b), b] as const;
    });
    expect(live()).toBe(before + 2);
    expect(x.tolistSync()).toEqual([4, 9]);
    x.dispose();
    y.dispose();
    expect(live()).toBe(before);
  });

  test('finds tensors in objects, maps, sets and cycles', () => {
    const made = tidy(() => {
      const result = { list: [tensor(1)], map: new Map([['a', tensor(2)]]), set: new Set([tensor(3)]), self: {} };
      result.self = result;
      return result;
    });
    const all = [made.list[0], made.map.get('a'), ...made.set] as Tensor[];
    expect(all.map(isDisposed)).toEqual([false, false, false]);
    for (const x of all) x.dispose();
  });

  test('nests: what the inner keeps belongs to the outer', () => {
    const before = live();
    tidy(() => {
      const inner = tidy(() => add(tensor([1]), 1));
      expect(inner.tolistSync()).toEqual([2]);
    });
    expect(live()).toBe(before);
  });

  test('frees when the function throws', () => {
    const before = live();
    const failing = () =>
      tidy(() => {
        tensor([1]);
        throw new Error('on purpose');
      });
    expect(failing).toThrow('on purpose');
    expect(live()).toBe(before);
  });

  test('spares what keep was given', () => {
    let kept: Tensor | undefined;
    tidy(() => {
      kept = keep(tensor([5]));
    });
    expect(kept?.tolistSync()).toEqual([5]);
    kept?.dispose();
  });

  test('refuses a promise, and frees what was made', () => {
    const before = live();
    const asynchronous = () => tidy(async () => add(tensor([1]), 1));
    expect(asynchronous).toThrow(
      new TilegradError('ERR_ARGUMENT', 'tidy: the function returned a Promise; use a Scope for asynchronous code'),
    );
    expect(live()).toBe(before);
  });

  test('leaves gradients and their graph alone', () => {
    const w = tensor([1, -2, 3], { requiresGrad: true });
    const loss = tidy(() => relu(mul(w, w)).sum());
    loss.backward();
    expect(w.grad?.tolistSync()).toEqual([2, -4, 6]);
    expect(() => noGrad(async () => w)).toThrow('noGrad: the function returned a Promise');
    for (const x of [loss, w.grad, w]) x?.dispose();
  });
});

describe('Scope', () => {
  test('`using` frees at the end of the block, across awaits', async () => {
    const before = live();
    {
      using scope = new Scope();
      const x = scope.track(tensor([1, 2]));
      const y = scope.run(() => add(mul(x, 2), 1));
      expect(await y.tolist()).toEqual([3, 5]);
      expect(live()).toBe(before + 3);
    }
    expect(live()).toBe(before);
  });

  test('keep lets a tensor outlive it', () => {
    const scope = new Scope();
    const kept = scope.keep(scope.track(tensor([1])));
    scope.dispose();
    expect(kept.isDisposed).toBe(false);
    kept.dispose();
  });

  test('a second dispose does nothing, later use throws', () => {
    const scope = new Scope();
    scope.dispose();
    scope.dispose();
    expect(() => scope.track(tensor([1]))).toThrow(new TilegradError('ERR_DISPOSED', 'Scope: it was disposed'));
  });
});

describe('a tensor', () => {
  test('is freed by `using` and named when it is used later', () => {
    let x: Tensor;
    {
      using inner = tensor([
        [1, 2],
        [3, 4],
      ]);
      x = inner;
    }
    expect(() => add(x, 1)).toThrow(new TilegradError('ERR_DISPOSED', 'add: the tensor of shape [2, 2] was disposed'));
    x.dispose();
  });

  test('outlives its base as a view', () => {
    const bytes = memory().liveBytes;
    const base = tensor(new Float32Array(1000));
    const view = index(base, '1:3');
    base.dispose();
    expect(view.tolistSync()).toEqual([0, 0]);
    view.dispose();
    expect(memory().liveBytes).toBe(bytes);
  });

  test('has the symbol of the platform, or the one that TypeScript and others agree on', () => {
    expect(typeof Symbol.dispose).toBe('symbol');
    expect(typeof tensor(1)[Symbol.dispose]).toBe('function');
  });
});

describe('at the memory limit', () => {
  const place = getDefaultDevice();
  const { limitBytes } = memory();
  afterEach(() => place.setMemoryLimit(limitBytes));

  test('the error names the biggest holders and teaches tidy', () => {
    place.trimMemory();
    const held = [zeros([1024, 1024]), zeros([512, 256], { dtype: 'f64' })];
    place.setMemoryLimit(memory().liveBytes + (1 << 20));
    const view = index(held[0] as Tensor, 0);
    const ask = () => zeros([1024, 1024]);
    expect(ask).toThrow(expect.objectContaining({ name: 'TilegradError', code: 'ERR_OOM' }));
    const words = `^out of memory on ${place}: 4194304 bytes asked for, \\d+ bytes are held by \\d+ live tensors`;
    expect(ask).toThrow(new RegExp(words));
    expect(ask).toThrow('The largest holders are f32 [1024, 1024] (4194304 bytes), f64 [512, 256] (1048576 bytes)');
    expect(ask).toThrow('wrap synchronous work in tidy(() => ...), or call dispose()');
    for (const x of [view, ...held]) x.dispose();
  });

  test('freed and cached memory is used before anything throws', () => {
    place.trimMemory();
    place.setMemoryLimit(memory().liveBytes + (12 << 20));
    // Each size is another pool of blocks: the cached ones must give way.
    for (let i = 1; i <= 10; i++) zeros([i, 1024, 256]).dispose();
    expect(memory().liveBytes + memory().cachedBytes).toBeLessThanOrEqual(memory().limitBytes);
  });

  test('work that was done before stays usable', async () => {
    const x = tensor([1, 2, 3]);
    place.setMemoryLimit(1);
    expect(() => add(x, 1)).toThrow(expect.objectContaining({ code: 'ERR_OOM' }));
    expect(await x.tolist()).toEqual([1, 2, 3]);
    place.setMemoryLimit(limitBytes);
    expect(await add(x, 1).tolist()).toEqual([2, 3, 4]);
  });
});
