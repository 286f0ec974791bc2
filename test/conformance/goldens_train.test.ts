// Whole training runs on real images against PyTorch's: the loss of every step, the weights at the end, and what they say of
// test images. See DESIGN on TILEGRAD_GOLDENS and TILEGRAD_DATA.
import { data, io, nn, noGrad, optim, slice, type Tensor, tidy } from 'tilegrad';
import { describe, expect, it } from 'vitest';
import { difference, type Golden, goldensFolder, readGoldens, readManifest, skippedWords } from '../support/goldens.ts';
import { evaluate, type Names } from '../support/python_evaluate.ts';
import { call, semantics, Unsupported } from '../support/torch_names.ts';

interface Case {
  id: string;
  file: string;
  program: string;
  data: 'mnist' | 'fashion-mnist';
  images: string;
  optimizer: string;
  options: Record<string, unknown>;
  steps: number;
  test: string;
  test_accuracy: number;
  abs_tol: { losses: number; final: number; test_logits: number; test_accuracy: number };
}

type Parameters_ = Record<string, nn.Parameter>;

const number = (text: string, form: RegExp): number => Number(form.exec(text)?.[1]?.replaceAll(',', ''));

/** The words of programs that are not torch's. */
const words: Names = {
  flatten: ([x]: readonly unknown[]) => new nn.Flatten().forward(x as Tensor),
  conv: (args: readonly unknown[]) => call('conv2d', args),
  maxpool2: ([x]: readonly unknown[]) => call('max_pool2d', [x, 2]),
  avgpool2: ([x]: readonly unknown[]) => call('avg_pool2d', [x, 2]),
};

/** Runs `name = expression; ...` and gives the last value, freeing the others. */
function logitsOf(program: string, parameters: Parameters_, x: Tensor): Tensor {
  const called = [...program.matchAll(/(\w+)\(/g)].map((match) => match[1]!);
  const functions = called.map((name) => [name, words[name] ?? ((args: readonly unknown[]) => call(name, args))]);
  let names: Names = { ...Object.fromEntries(functions), ...parameters, x };
  return tidy(() => {
    let last: unknown;
    for (const statement of program.split(';')) {
      const [name, expression] = statement.split(/=(.*)/s).map((part) => part.trim()) as [string, string];
      last = evaluate(expression, names, semantics);
      names = { ...names, [name]: last };
    }
    return last as Tensor;
  });
}

/** The first images and their labels; pixels from 0 to 1. */
function first(set: data.ImageDataset, count: number): data.ImageDataset {
  const head = (x: Tensor): Tensor =>
    slice(
      x,
      x.shape.map(() => 0),
      x.shape.with(0, count),
    );
  return new data.ImageDataset(head(set.images), head(set.labels), { transform: new data.ToFloat() });
}

function optimizerOf(c: Case, parameters: Parameters_): optim.Optimizer {
  const constructors = optim as unknown as Record<string, new (params: object[], options: object) => optim.Optimizer>;
  const Made = constructors[c.optimizer];
  if (!Made) throw new Unsupported(c.optimizer);
  return new Made(Object.values(parameters), c.options);
}

async function train(c: Case, parameters: Parameters_, images: data.ImageDataset): Promise<number[]> {
  const optimizer = optimizerOf(c, parameters);
  const loader = new data.DataLoader(images, { batchSize: number(c.images, /batches of (\d+)/) });
  const losses: number[] = [];
  while (losses.length < c.steps) {
    for await (const { input, target } of loader) {
      optimizer.zeroGrad();
      const loss = nn.functional.crossEntropy(logitsOf(c.program, parameters, input), target);
      loss.backward();
      optimizer.step();
      losses.push(await loss.item());
    }
  }
  return losses;
}

/** The logits of the first 64 test images and the share of right ones among all that are asked for. */
async function tested(c: Case, parameters: Parameters_, images: data.ImageDataset): Promise<[Tensor, number]> {
  const count = number(c.test, /first ([\d,]+) test/);
  let [right, logits64]: [number, Tensor | null] = [0, null];
  for await (const { input, target } of new data.DataLoader(first(images, count), { batchSize: 64 })) {
    const logits = noGrad(() => logitsOf(c.program, parameters, input));
    const [rows, labels] = [(await logits.tolist()) as number[][], await target.data()];
    rows.forEach((row, i) => {
      if (row.indexOf(Math.max(...row)) === Number(labels[i])) right += 1;
    });
    logits64 ??= logits.keep();
  }
  return [logits64!, right / count];
}

describe.skipIf(!goldensFolder)(`PyTorch goldens of training${skippedWords}`, () => {
  it.for(readManifest<Case>('train').map((c) => [c.id, c] as const))('%s', async ([, c], { skip }) => {
    if (!data.dataFolder()) return skip('TILEGRAD_DATA is not set');
    const load = c.data === 'mnist' ? data.mnist : data.fashionMnist;
    const { train: trainSet, test: testSet } = await load({ download: false });
    const goldens = readGoldens('train', c.file);
    const golden = (name: string): Golden => goldens.get(name)!;
    const state = await io.load(`${goldensFolder}/${c.file}`);
    const names = Object.keys(state).flatMap((key) => (key.startsWith('init.') ? [key.slice(5)] : []));
    const parameters = Object.fromEntries(names.map((name) => [name, new nn.Parameter(state[`init.${name}`]!)]));
    let losses: number[];
    try {
      losses = await train(c, parameters, first(trainSet, number(c.images, /first (\d+) training/)));
    } catch (error) {
      if (error instanceof Unsupported) return skip(`unsupported: ${error.message}`);
      throw error;
    }
    const expected = golden('out.losses').data;
    expect(losses.length).toBe(expected.length);
    losses.forEach((loss, t) => {
      expect(Math.abs(loss - expected[t]!), `loss of step ${t}`).toBeLessThanOrEqual(c.abs_tol.losses);
    });
    for (const name of names) {
      expect(await difference(parameters[name]!, golden(`final.${name}`), c.abs_tol.final), name).toBeUndefined();
    }
    const [logits, accuracy] = await tested(c, parameters, testSet);
    expect(await difference(logits, golden('out.test_logits'), c.abs_tol.test_logits)).toBeUndefined();
    expect(Math.abs(accuracy - c.test_accuracy)).toBeLessThanOrEqual(c.abs_tol.test_accuracy);
  });
});
