// Modules: what they find in their fields, names and order, state dicts, moving, hooks, printing.
import { memory, nn, ones, type Tensor, tensor, tidy, zeros } from 'tilegrad';
import { describe, expect, expectTypeOf, test } from 'vitest';

class Block extends nn.Module {
  readonly conv = new nn.Conv2d(2, 4, 3, { padding: 'same' });
  readonly scale = new nn.Parameter(ones([4, 1, 1]));
  readonly seen = new nn.Buffer(zeros([2]));
  readonly scratch = new nn.Buffer(zeros([2]), { persistent: false });
  readonly note = 'not state';

  forward(x: Tensor): Tensor {
    return this.conv.forward(x).mul(this.scale).relu();
  }
}

class Net extends nn.Module {
  readonly first = new nn.Linear(3, 2);
  readonly block = new Block();
  readonly gain = new nn.Parameter(tensor([2]));
  readonly tail = new nn.ModuleList([new nn.Linear(2, 2, { bias: false }), new nn.ReLU()]);

  forward(x: Tensor): Tensor {
    return this.tail.at(0).forward(this.first.forward(x)).mul(this.gain);
  }
}

describe('a module finds', () => {
  test('parameters in its fields, its own before those of its children, as PyTorch orders them', () => {
    expect(new Net().namedParameters().map(([name]) => name)).toEqual([
      'gain',
      'first.weight',
      'first.bias',
      'block.scale',
      'block.conv.weight',
      'block.conv.bias',
      'tail.0.weight',
    ]);
    expect(new Block().namedParameters({ recurse: false }).map(([name]) => name)).toEqual(['scale']);
  });

  test('buffers, children and modules', () => {
    const net = new Net();
    expect(net.namedBuffers().map(([name]) => name)).toEqual(['block.seen', 'block.scratch']);
    expect(net.namedChildren().map(([name]) => name)).toEqual(['first', 'block', 'tail']);
    expect(net.namedModules().map(([name]) => name)).toEqual([
      '',
      'first',
      'block',
      'block.conv',
      'tail',
      'tail.0',
      'tail.1',
    ]);
    expect(net.getSubmodule('block.conv')).toBe(net.block.conv);
    expect(() => net.getSubmodule('block.pool')).toThrow("getSubmodule: Block has no module 'pool'");
  });

  test('a shared parameter once, but under both names in the state dict', () => {
    const encoder = new nn.Linear(3, 3);
    const decoder = new nn.Linear(3, 3);
    (decoder as { weight: nn.Parameter }).weight = encoder.weight;
    const model = new nn.Sequential(encoder, decoder, encoder);
    expect(model.namedParameters().map(([name]) => name)).toEqual(['0.weight', '0.bias', '1.bias']);
    expect(Object.keys(model.stateDict())).toEqual(['0.weight', '0.bias', '1.weight', '1.bias', '2.weight', '2.bias']);
    expect(model.children()).toEqual([encoder, decoder]);
  });

  test('no array of modules: it says what to use', () => {
    class Listed extends nn.Module {
      readonly layers = [new nn.Linear(1, 1)];
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Listed().parameters()).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('nn.ModuleList') }),
    );
  });

  test('that it contains itself', () => {
    const list = new nn.ModuleList<nn.AnyModule>();
    list.append(new nn.Sequential()).append(list);
    expect(() => list.parameters()).toThrow("ModuleList: the module contains itself, as '1'");
  });
});

describe('the state dict', () => {
  test('shares the elements, in PyTorch order, and loads into another model', async () => {
    const [a, b] = [new Net(), new Net()];
    const state = a.stateDict();
    expect(Object.keys(state)).toEqual([
      'gain',
      'first.weight',
      'first.bias',
      'block.scale',
      'block.seen',
      'block.conv.weight',
      'block.conv.bias',
      'tail.0.weight',
    ]);
    expect(Object.values(state).some((value) => value.requiresGrad)).toBe(false);
    const weight = b.first.weight;
    expect(b.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(b.first.weight).toBe(weight);
    expect(await b.first.weight.tolist()).toEqual(await a.first.weight.tolist());
    expect(b.loadStateDict(new Map(Object.entries(state)))).toEqual({ missingKeys: [], unexpectedKeys: [] });
    nn.init.constant_(a.gain, 7);
    expect(state.gain?.itemSync()).toBe(7);
    expect(b.gain.itemSync()).toBe(2);
  });

  test('that does not fit is refused whole, with all faults in one text', () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 1));
    const before = model.parameters().map((p) => p.tolistSync());
    const state: nn.StateDict = {
      ...new nn.Sequential(new nn.Linear(2, 2)).stateDict(),
      '1.weight': zeros([1, 3]),
      '2.weight': zeros([1]),
    };
    expect(() => model.loadStateDict(state)).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT',
        message: [
          'loadStateDict: the state dict does not fit Sequential',
          "  missing in the state dict: '1.bias'",
          "  not in the module: '2.weight'",
          "  '1.weight' has shape [1, 3] but the module's is [1, 2]",
        ].join('\n'),
      }),
    );
    expect(() => model.loadStateDict(state, { strict: false })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(model.parameters().map((p) => p.tolistSync())).toEqual(before);
    const { '1.weight': _, ...fitting } = state;
    expect(model.loadStateDict(fitting, { strict: false })).toEqual({
      missingKeys: ['1.weight', '1.bias'],
      unexpectedKeys: ['2.weight'],
    });
    expect(model.parameters()[0]?.tolistSync()).toEqual(state['0.weight']?.tolistSync());
    expect(() => model.loadStateDict(state, { stric: true } as object)).toThrow("did you mean 'strict'?");
    expect(() => model.loadStateDict({ a: 1 } as never)).toThrow("loadStateDict: 'a' is not a tensor");
  });

  test('of disposed tensors changes nothing', () => {
    const model = new nn.Linear(2, 1);
    const before = model.weight.tolistSync();
    const bias = zeros([1]);
    bias.dispose();
    expect(() => model.loadStateDict({ weight: zeros([1, 2]), bias })).toThrow(
      expect.objectContaining({ code: 'ERR_DISPOSED' }),
    );
    expect(model.weight.tolistSync()).toEqual(before);
  });
});

test('train and eval reach all modules; apply goes from the inside out', () => {
  const model = new nn.Sequential(new nn.ReLU(), new nn.Sequential(new nn.Identity()));
  expect(model.eval()).toBe(model);
  expect(model.modules().map((module) => module.training)).toEqual([false, false, false, false]);
  model.at(1).train();
  expect(model.modules().map((module) => module.training)).toEqual([false, false, true, true]);
  const seen: string[] = [];
  model.apply((module) => seen.push(module.constructor.name));
  expect(seen).toEqual(['ReLU', 'Identity', 'Sequential', 'Sequential']);
});

test('gradients flow to all parameters, freeze with requiresGrad_, and are freed by zeroGrad', () => {
  const net = new Net();
  const x = ones([1, 3]);
  net.forward(x).sum().backward();
  expect(net.first.weight.grad?.shape).toEqual([2, 3]);
  expect(net.block.scale.grad).toBeNull();
  const grad = net.gain.grad as Tensor;
  net.zeroGrad();
  expect([net.gain.grad, grad.isDisposed]).toEqual([null, true]);
  net.first.requiresGrad_(false);
  net.forward(x).sum().backward();
  expect(net.first.weight.grad).toBeNull();
  expect(net.gain.grad).not.toBeNull();
});

describe('to', () => {
  test('casts floats and their gradients, in the same objects', () => {
    const net = new Net();
    net.registerBuffer('steps', tensor([3], { dtype: 'i64' }));
    net
      .forward(ones([1, 3]))
      .sum()
      .backward();
    const [gain] = net.parameters() as [nn.Parameter];
    const { grad } = gain;
    expect(net.to('f64')).toBe(net);
    expect(net.parameters()[0]).toBe(gain);
    expect([gain.dtype, gain.requiresGrad, gain.itemSync()]).toEqual(['f64', true, 2]);
    expect([gain.grad === grad, grad?.dtype]).toEqual([true, 'f64']);
    expect(net.namedBuffers().map(([name, buffer]) => `${name} ${buffer.dtype}`)).toEqual([
      'steps i64',
      'block.seen f64',
      'block.scratch f64',
    ]);
    net.zeroGrad();
    const y = net.forward(ones([1, 3], { dtype: 'f64' }));
    y.sum().backward();
    expect([y.dtype, gain.grad?.dtype]).toEqual(['f64', 'f64']);
  });

  test('frees what it replaces', () => {
    const layer = new nn.Linear(2, 2);
    layer
      .forward(ones([1, 2]))
      .sum()
      .backward();
    const before = memory().liveTensors;
    layer.to('f64');
    expect(memory().liveTensors).toBe(before);
  });

  test('takes a device, or both', () => {
    const layer = new nn.Linear(2, 2);
    expect(layer.to('cpu').to({ dtype: 'bf16', device: 'cpu' }).weight.dtype).toBe('bf16');
    expect(layer.to({}).weight.dtype).toBe('bf16');
    expect(() => layer.to('i32')).toThrow('Module.to: parameters cannot be i32');
    expect(() => layer.to({ dtyp: 'f32' } as object)).toThrow("did you mean 'dtype'?");
    expect(() => layer.to('gpu' as never)).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }));
    expect(layer.weight.dtype).toBe('bf16');
  });

  test('lets a state dict of another dtype in', () => {
    const layer = new nn.Linear(1, 1).to('f64');
    layer.loadStateDict({ weight: tensor([[2]]), bias: tensor([1], { dtype: 'bf16' }) });
    expect([layer.weight.dtype, layer.weight.itemSync(), layer.bias?.itemSync()]).toEqual(['f64', 2, 1]);
  });
});

describe('hooks', () => {
  test('see and replace what goes in and out of inner layers, and go away', () => {
    const model = new nn.Sequential(new nn.Identity(), new nn.ReLU());
    const seen: Tensor[] = [];
    const layer = model.at(1);
    const { forward } = layer;
    const removeFirst = layer.registerForwardHook((module, [input], output) => {
      expect(module).toBe(layer);
      seen.push(input, output);
      return undefined;
    });
    const removeSecond = layer.registerForwardHook((_module, _inputs, output) => output.mul(10));
    const removeBefore = layer.registerForwardPreHook((_module, [input]) => [input.add(1)]);
    expect(model.forward(tensor([-3, 1])).tolistSync()).toEqual([0, 20]);
    expect(seen[1]?.tolistSync()).toEqual([0, 2]);
    removeSecond();
    expect(model.forward(tensor([-3, 1])).tolistSync()).toEqual([0, 2]);
    removeFirst();
    removeBefore();
    removeBefore();
    expect(layer.forward).toBe(forward);
    expect(model.forward(tensor([-3, 1])).tolistSync()).toEqual([0, 1]);
  });

  test('leave the fields and the printed form alone', () => {
    const model = new nn.Linear(1, 1);
    const remove = model.registerForwardHook(() => undefined);
    expect(model.namedParameters().map(([name]) => name)).toEqual(['weight', 'bias']);
    expect(Object.keys(model)).not.toContain('forward');
    remove();
  });
});

describe('containers', () => {
  test('are named by position, or by the keys of a record', () => {
    const model = new nn.Sequential({ hidden: new nn.Linear(2, 3), act: new nn.ReLU() });
    expect(Object.keys(model.stateDict())).toEqual(['hidden.weight', 'hidden.bias']);
    expect(model.length).toBe(2);
    expect([...model].map((layer) => layer.constructor.name)).toEqual(['Linear', 'ReLU']);
    expect(model.at(-1)).toBeInstanceOf(nn.ReLU);
    expect(() => model.at(2)).toThrow('Sequential: no module 2 among 2');
    expect(() => new nn.Sequential({ 'a.b': new nn.ReLU() })).toThrow("'a.b' cannot be a name");
    expect(() => new nn.Sequential(3 as never)).toThrow('Sequential: member 0 is not a module but number');
  });

  test('take replacements', () => {
    const model = new nn.Sequential(new nn.Sequential(new nn.Linear(1, 1)), new nn.ReLU());
    model.setSubmodule('0.0', new nn.Identity());
    expect(model.parameters()).toEqual([]);
    const net = new Net();
    net.setSubmodule('block.conv', new nn.Identity());
    expect(net.block.conv).toBeInstanceOf(nn.Identity);
    expect(() => net.setSubmodule('block.none', new nn.Identity())).toThrow("no module 'none'");
  });

  test('of modules by name', () => {
    const dict = new nn.ModuleDict({ a: new nn.Linear(1, 2) });
    dict.set('b', new nn.Linear(2, 1));
    expect([...dict.keys()]).toEqual(['a', 'b']);
    expect(dict.get('a')).toBeInstanceOf(nn.Linear);
    expect(dict.has('c')).toBe(false);
    expect(() => dict.get('c')).toThrow("ModuleDict: no module 'c'; it has a, b");
    expect(Object.keys(dict.stateDict())).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias']);
    expect(() => dict.forward()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});

test('a module prints as PyTorch prints it', () => {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 6, 5, { padding: 2, bias: false }),
    new nn.ReLU(),
    new nn.Sequential({ flat: new nn.Flatten(), out: new nn.Linear(4, 2) }),
  );
  expect(`${model}`).toBe(`Sequential(
  (0): Conv2d(1, 6, kernelSize=[5, 5], stride=[1, 1], padding=[2, 2], bias=false)
  (1): ReLU()
  (2): Sequential(
    (flat): Flatten(startDim=1, endDim=-1)
    (out): Linear(inFeatures=4, outFeatures=2, bias=true)
  )
)`);
});

test('sequential frees what its layers hand to one another, and tidy keeps a module that it returns', () => {
  const model = tidy(() => new nn.Sequential(new nn.Linear(4, 4), new nn.ReLU(), new nn.Linear(4, 1)));
  const x = ones([2, 4]);
  const before = memory().liveTensors;
  const loss = tidy(() => model.forward(x).sum());
  loss.backward();
  loss.dispose();
  model.zeroGrad();
  expect(memory().liveTensors).toBe(before);
  model.dispose();
  expect(memory().liveTensors).toBe(before - 4);
  expect(() => model.forward(x)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
});

test('the types of forward are those of the subclass', () => {
  class Pair extends nn.Module<[Tensor, number], [Tensor, Tensor]> {
    forward(x: Tensor, by: number): [Tensor, Tensor] {
      return [x, x.mul(by)];
    }
  }
  const pair = new Pair();
  const any: nn.AnyModule = pair;
  expect(any.parameters()).toEqual([]);
  expectTypeOf(pair.forward).parameters.toEqualTypeOf<[Tensor, number]>();
  expectTypeOf(new nn.Sequential().forward).returns.toEqualTypeOf<Tensor>();
  // @ts-expect-error a Sequential takes layers from one tensor to one tensor
  new nn.Sequential(pair);
});
