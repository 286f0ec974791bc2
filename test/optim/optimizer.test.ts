// What all optimisers share, and SGD: groups, steps, freeing, state dicts, wrong arguments.
import { memory, nn, ones, optim, type Tensor, tensor, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const parameter = (...values: number[]): nn.Parameter => new nn.Parameter(tensor(values));

/** Gives each parameter a gradient of ones. */
function giveGradients(params: readonly Tensor[]): void {
  for (const param of params) param.grad = ones(param.shape, { dtype: param.dtype });
}

describe('SGD', () => {
  test('takes steps by lr, momentum and weight decay, each group by its own', () => {
    const [a, b] = [parameter(1), parameter(1)];
    const optimizer = new optim.SGD([{ params: a }, { params: [b], lr: 1, weightDecay: 0.5 }], {
      lr: 0.5,
      momentum: 0.5,
    });
    giveGradients([a, b]);
    optimizer.step();
    expect([a.itemSync(), b.itemSync()]).toEqual([0.5, -0.5]);
    optimizer.step();
    // a: 0.5 * (0.5 * 1 + 1); b: 0.5 * 1.5 + (1 - 0.25)
    expect([a.itemSync(), b.itemSync()]).toEqual([-0.25, -2]);
    (optimizer.paramGroups[0] as { lr: number }).lr = 0;
    optimizer.step();
    expect(a.itemSync()).toBe(-0.25);
  });

  test('goes uphill with maximize', () => {
    const a = parameter(1);
    giveGradients([a]);
    new optim.SGD([a], { lr: 0.5, maximize: true }).step();
    expect(a.itemSync()).toBe(1.5);
  });

  test('lets states come to rest at 0, not at a subnormal number', () => {
    const a = parameter(1);
    for (const optimizer of [new optim.SGD([a], { lr: 0.1, momentum: 0.9 }), new optim.Adam([a])]) {
      giveGradients([a]);
      optimizer.step();
      a.grad = zeros([1]);
      // 0.9^900 is below the least number of f32.
      for (let step = 0; step < 900; step++) optimizer.step();
      const [state] = Object.values(optimizer.stateDict().state);
      const average = state?.momentumBuffer ?? state?.expAvg;
      expect((average as Tensor).dataSync()).toEqual(Float32Array.of(0));
    }
  });

  test('leaves parameters without a gradient alone, and remembers nothing of them', () => {
    const [a, b] = [parameter(1), parameter(1)];
    const optimizer = new optim.SGD([a, b], { lr: 1, momentum: 0.9 });
    giveGradients([a]);
    optimizer.step();
    expect([a.itemSync(), b.itemSync()]).toEqual([0, 1]);
    expect(Object.keys(optimizer.stateDict().state)).toEqual(['0']);
  });

  test('learns: a plane through points', () => {
    const model = new nn.Linear(2, 1);
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.2, momentum: 0.8 });
    const x = tensor([
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ]);
    const minus = tensor([[-1], [-3], [0], [-2]]);
    for (let i = 0; i < 200; i++) {
      optimizer.zeroGrad();
      const error = model.forward(x).add(minus);
      error.mul(error).sum().mul(0.25).backward();
      optimizer.step();
    }
    const [w0, w1] = model.weight.dataSync() as Float32Array;
    expect(w0).toBeCloseTo(2, 4);
    expect(w1).toBeCloseTo(-1, 4);
    expect(model.bias?.itemSync()).toBeCloseTo(1, 4);
  });

  test('refuses options that make no sense', () => {
    const a = parameter(1);
    const make = (options: object) => () => new optim.SGD([a], options);
    expect(make({ learningRate: 1 })).toThrow("SGD: unknown option 'learningRate'");
    expect(make({ momentun: 1 })).toThrow("SGD: unknown option 'momentun', did you mean 'momentum'?");
    expect(make({ lr: -1 })).toThrow('SGD: lr must be a number from 0 up but is -1');
    expect(make({ lr: '0.1' })).toThrow('SGD: lr must be a number');
    expect(make({ momentum: Number.NaN })).toThrow('SGD: momentum must be a number from 0 up but is NaN');
    expect(make({ nesterov: true })).toThrow('SGD: nesterov needs a momentum above 0 and dampening 0');
    expect(() => new optim.SGD([{ params: [a], lrr: 1 } as object as never])).toThrow("did you mean 'lr'?");
  });

  test('refuses parameters that are none', () => {
    const a = parameter(1);
    const sgd = (params: unknown) => () => new optim.SGD(params as Tensor[]);
    expect(sgd([])).toThrow('SGD: the list of parameters is empty');
    expect(sgd(a)).toThrow('SGD: the parameters must be a list, such as model.parameters()');
    expect(sgd(undefined)).toThrow('SGD: the parameters must be a list');
    expect(sgd([a, 3])).toThrow('SGD: parameter 1 of the group is not a tensor but number');
    expect(sgd([a, a])).toThrow('SGD: parameter 1 of the group is given twice');
    expect(sgd([a.mul(2)])).toThrow('SGD: parameter 0 of the group was computed by other operations');
    expect(sgd([{ params: [a] }, a])).toThrow('SGD: a parameter group needs `params`');
  });
});

describe('an optimizer', () => {
  test('frees the gradients in zeroGrad, or fills them with zeros', () => {
    const a = parameter(1, 2);
    const optimizer = new optim.SGD([a], { lr: 1 });
    a.mul(a).sum().backward();
    const grad = a.grad as Tensor;
    optimizer.zeroGrad({ setToNone: false });
    expect([a.grad, grad.tolistSync()]).toEqual([grad, [0, 0]]);
    optimizer.zeroGrad();
    expect([a.grad, grad.isDisposed]).toEqual([null, true]);
    optimizer.zeroGrad();
  });

  test('frees what its steps make', () => {
    const a = parameter(1, 2);
    const optimizer = new optim.SGD([a], { lr: 1, momentum: 0.9, nesterov: true, weightDecay: 0.1 });
    giveGradients([a]);
    optimizer.step();
    const before = memory().liveTensors;
    for (let i = 0; i < 5; i++) optimizer.step();
    expect(memory().liveTensors).toBe(before);
    optimizer.dispose();
    expect(memory().liveTensors).toBe(before - 1);
  });

  test('takes a closure that computes the loss again', () => {
    const a = parameter(3);
    const optimizer = new optim.SGD([a], { lr: 0.5 });
    const loss = optimizer.step(() => {
      optimizer.zeroGrad();
      const value = a.mul(a).sum();
      value.backward();
      return value;
    });
    expect([loss.itemSync(), a.itemSync()]).toEqual([9, 0]);
  });

  test('calls hooks around its steps', () => {
    const a = parameter(1);
    const optimizer = new optim.SGD([a], { lr: 1 });
    giveGradients([a]);
    const seen: number[] = [];
    const remove = optimizer.registerStepPreHook(() => seen.push(a.itemSync()));
    optimizer.registerStepPostHook(() => seen.push(a.itemSync()));
    optimizer.step();
    remove();
    optimizer.step();
    expect(seen).toEqual([1, 0, -1]);
  });

  test('adds groups later', () => {
    const [a, b] = [parameter(1), parameter(1)];
    const optimizer = new optim.SGD([a], { lr: 0.5 });
    optimizer.addParamGroup({ params: b, lr: 2 });
    expect(() => optimizer.addParamGroup({ params: a })).toThrow('is given twice');
    giveGradients([a, b]);
    optimizer.step();
    expect([a.itemSync(), b.itemSync()]).toEqual([0.5, -1]);
    expect(`${optimizer}`).toContain('group 1: 1 parameters\n    lr: 2\n    momentum: 0');
  });

  test('continues from its state dict', () => {
    const run = (a: nn.Parameter, optimizer: optim.SGD, steps: number): void => {
      for (let i = 0; i < steps; i++) {
        optimizer.zeroGrad();
        a.mul(a).sum().backward();
        optimizer.step();
      }
    };
    const make = (a: nn.Parameter, lr: number) => new optim.SGD([a], { lr, momentum: 0.9 });
    const a = parameter(1, -2);
    const first = make(a, 0.1);
    run(a, first, 3);
    const b = parameter(...(a.tolistSync() as number[]));
    const second = make(b, 5);
    second.loadStateDict(first.stateDict());
    run(a, first, 3);
    run(b, second, 3);
    expect(b.tolistSync()).toEqual(a.tolistSync());
  });

  test('refuses a state dict of other groups', () => {
    const optimizer = new optim.SGD([parameter(1)], { lr: 1, momentum: 0.9 });
    const other = new optim.SGD([parameter(1, 2), parameter(1)], { lr: 1, momentum: 0.9 });
    expect(() => optimizer.loadStateDict(other.stateDict())).toThrow(
      'SGD.loadStateDict: group 0 has 2 parameters in the state dict but 1 here',
    );
    expect(() => optimizer.loadStateDict({} as never)).toThrow('expected the result of stateDict()');
    const wide = new optim.SGD([parameter(1, 2)], { lr: 1, momentum: 0.9 });
    giveGradients(wide.paramGroups[0]?.params as Tensor[]);
    wide.step();
    expect(() => optimizer.loadStateDict(wide.stateDict())).toThrow('has shape [2], not [1]');
  });
});
