// Learning rate schedules: definitions, composition, state, wrong arguments.
import { optim, zeros } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const {
  ChainedScheduler,
  ConstantLR,
  CosineAnnealingLR,
  CyclicLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  OneCycleLR,
  ReduceLROnPlateau,
  SequentialLR,
  StepLR,
} = optim.lrScheduler;

const sgd = (...lrs: number[]): optim.SGD =>
  new optim.SGD(
    (lrs.length > 0 ? lrs : [1]).map((lr) => ({ params: [zeros([1]).requiresGrad_()], lr, momentum: 0.9 })),
  );

function rates(optimizer: optim.SGD, schedule: { step(): void }, steps: number): number[] {
  return Array.from({ length: steps }, () => {
    const lr = optimizer.paramGroups[0]?.lr as number;
    schedule.step();
    return Number(lr.toPrecision(10));
  });
}

describe('a schedule', () => {
  test('multiplies at steps', () => {
    let optimizer = sgd();
    expect(rates(optimizer, new StepLR(optimizer, 2, { gamma: 0.5 }), 6)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
    optimizer = sgd();
    expect(rates(optimizer, new MultiStepLR(optimizer, [1, 3, 3]), 5)).toEqual([1, 0.1, 0.1, 0.001, 0.001]);
  });

  test('is for each group its own', () => {
    const optimizer = sgd(1, 10);
    const schedule = new LambdaLR(optimizer, [(t) => 1 / (t + 1), (t) => t]);
    schedule.step();
    schedule.step();
    expect(schedule.getLastLr()).toEqual([1 / 3, 20]);
  });

  test('works with another on the same optimizer', () => {
    const optimizer = sgd();
    const chained = new ChainedScheduler([
      new ConstantLR(optimizer, { factor: 0.5, totalIters: 2 }),
      new ExponentialLR(optimizer, 0.5),
    ]);
    expect(rates(optimizer, chained, 4)).toEqual([0.5, 0.25, 0.25, 0.125]);
  });

  test('falls to 0 in a straight line and stays there', () => {
    const optimizer = sgd();
    const schedule = new LinearLR(optimizer, { startFactor: 1, endFactor: 0, totalIters: 4 });
    expect(rates(optimizer, schedule, 6)).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
  });

  test('of one cycle goes up, down and ends far below its start, momentum the other way', () => {
    const optimizer = sgd();
    const schedule = new OneCycleLR(optimizer, 1, { totalSteps: 10, pctStart: 0.4, annealStrategy: 'linear' });
    const seen = Array.from({ length: 10 }, (_, t) => {
      if (t > 0) schedule.step();
      const { lr, momentum } = optimizer.paramGroups[0] as { lr: number; momentum: number };
      return [lr, momentum];
    });
    const lrs = seen.map(([lr]) => lr as number);
    expect(lrs[0]).toBeCloseTo(1 / 25, 12);
    expect(lrs[3]).toBeCloseTo(1, 12);
    expect(lrs[9]).toBeCloseTo(1 / 25 / 1e4, 12);
    const momenta = seen.map(([, momentum]) => momentum as number);
    expect([momenta[0], momenta[3], momenta[9]].map((m) => Number(m?.toFixed(9)))).toEqual([0.95, 0.85, 0.95]);
    schedule.step();
    expect(() => schedule.step()).toThrow('OneCycleLR: step 11 comes after the 10 steps in all');
  });

  test('in cycles needs a momentum, or to be told', () => {
    const optimizer = { paramGroups: [{ lr: 1, params: [] }] };
    expect(() => new CyclicLR(optimizer, 0.1, 1)).toThrow('cycleMomentum: false');
  });

  test('watches a metric', () => {
    const optimizer = sgd();
    const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1, mode: 'max' });
    const seen = [1, 2, 2, 2, 2, 2, 3].map((metric) => {
      schedule.step(metric);
      return schedule.getLastLr()[0];
    });
    expect(seen).toEqual([1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
  });
});

test('state dicts continue a schedule where it was', () => {
  const make = (optimizer: optim.SGD) =>
    new SequentialLR(optimizer, [new LinearLR(optimizer), new CosineAnnealingLR(optimizer, 10)], [4]);
  const [a, b] = [sgd(0.5), sgd(0.5)];
  const [first, second] = [make(a), make(b)];
  rates(a, first, 7);
  b.loadStateDict(a.stateDict());
  second.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())));
  expect(rates(b, second, 8)).toEqual(rates(a, first, 8));
});

test('wrong arguments are errors that name the right ones', () => {
  const optimizer = sgd();
  expect(() => new StepLR(optimizer, 2, { gama: 1 } as object)).toThrow("unknown option 'gama', did you mean 'gamma'?");
  expect(() => new StepLR(optimizer, 0)).toThrow('StepLR: stepSize must be a whole number from 1 up but is 0');
  expect(() => new ExponentialLR({} as never, 1)).toThrow('ExponentialLR: the first argument must be an optimizer');
  expect(() => new LambdaLR(optimizer, [])).toThrow('expected a function, or one for each of 1 groups');
  expect(() => new SequentialLR(optimizer, [new StepLR(optimizer, 1)], [1])).toThrow('1 schedulers need 0 milestones');
  expect(() => new SequentialLR(sgd(), [new StepLR(optimizer, 1)], [])).toThrow('the same optimizer');
});
