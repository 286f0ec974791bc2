// Learning rates of sixty steps of each schedule against PyTorch's. See DESIGN on TILEGRAD_GOLDENS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { optim, zeros } from 'tilegrad';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../support/python_evaluate.ts';

interface Case {
  id: string;
  scheduler: string;
  options: Record<string, unknown>;
  base_lr: number;
  lr: number[];
  metric?: number[];
}

const folder = process.env.TILEGRAD_GOLDENS;
const cases: Case[] = folder
  ? (JSON.parse(readFileSync(join(folder, 'schedulers', 'lr.json'), 'utf8')) as { cases: Case[] }).cases
  : [];

// The first arguments by position; the others are options.
const positional: Record<string, string[]> = {
  CosineAnnealingLR: ['T_max'],
  CosineAnnealingWarmRestarts: ['T_0'],
  CyclicLR: ['base_lr', 'max_lr'],
  ExponentialLR: ['gamma'],
  LambdaLR: ['lr_lambda'],
  MultiplicativeLR: ['lr_lambda'],
  MultiStepLR: ['milestones'],
  OneCycleLR: ['max_lr'],
  StepLR: ['step_size'],
};

const camel = (name: string): string =>
  name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** A Python expression of `epoch`. */
function lambda(text: string): (epoch: number) => number {
  const nothing = (): undefined => undefined;
  const semantics = { attribute: nothing, index: nothing, unary: nothing, binary: nothing };
  return (epoch) => evaluate(text, { epoch }, semantics) as number;
}

interface Schedule {
  step(metric?: number): void;
}
const constructors = optim.lrScheduler as unknown as Record<string, new (...args: unknown[]) => Schedule>;

function make(optimizer: optim.SGD, name: string, options: Record<string, unknown>): Schedule {
  const Scheduler = constructors[name] as (typeof constructors)[string];
  if (name === 'SequentialLR') {
    const inner = (options.schedulers as [string, Record<string, unknown>][]).map(([n, o]) => make(optimizer, n, o));
    return new Scheduler(optimizer, inner, options.milestones);
  }
  const first = positional[name] ?? [];
  const leading = first.map((key) => (key === 'lr_lambda' ? lambda(options[key] as string) : options[key]));
  const rest = Object.entries(options).filter(([key]) => !first.includes(key));
  const named = Object.fromEntries(rest.map(([key, value]) => [camel(key), value]));
  return new Scheduler(optimizer, ...leading, ...(rest.length > 0 ? [named] : []));
}

describe.skipIf(!folder)(`schedule goldens${folder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)'}`, () => {
  it.for(cases.map((c) => [c.id, c] as const))('%s', ([, c], { skip }) => {
    if (!constructors[c.scheduler]) return skip(`unsupported: ${c.scheduler}`);
    const optimizer = new optim.SGD([zeros([1]).requiresGrad_()], { lr: c.base_lr });
    const schedule = make(optimizer, c.scheduler, c.options);
    c.lr.forEach((expected, t) => {
      const got = optimizer.paramGroups[0]?.lr as number;
      expect(Math.abs(got - expected), `step ${t}`).toBeLessThanOrEqual(1e-9 + 1e-6 * expected);
      schedule.step(c.metric?.[t]);
    });
  });
});
