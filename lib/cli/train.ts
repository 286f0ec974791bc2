// `tilegrad train`: a named model learns to tell images apart.
import '../autograd.ts'; // attaches backward() to tensors
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DataLoader, type ImageDataset, type LabelledBatch } from '../data/index.ts';
import { type Device, type DeviceName, device, setNumThreads } from '../device.ts';
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { save } from '../io/index.ts';
import * as nn from '../nn/index.ts';
import * as optim from '../optim/index.ts';
import { manualSeed } from '../random.ts';
import { tidy } from '../scope.ts';
import { type Command, exitCodes, interruptible } from './command.ts';
import { confusionCounts, confusionTable } from './confusion.ts';
import { describeImages, drawPredictions, imageSets, loadImages } from './images.ts';
import { models, type NamedModel } from './models.ts';
import { formatOptions, type OptionValues, parseOptions, UsageError } from './options.ts';
import { Progress } from './progress.ts';
import type { TextStream } from './terminal.ts';

const optimizers = ['sgd', 'adam', 'adamw'] as const;

const options = {
  model: {
    kind: 'choice',
    value: 'NAME',
    choices: Object.keys(models),
    default: 'lenet5',
    help: 'lenet5, mlp, linear or cnn',
  },
  data: {
    kind: 'choice',
    value: 'NAME',
    choices: imageSets,
    default: 'mnist',
    help: 'mnist, fashion, or drawn: digits that the library draws itself',
  },
  epochs: { kind: 'whole', value: 'N', default: 5, help: 'passes over the training images' },
  'batch-size': { kind: 'whole', value: 'N', least: 1, default: 64, help: 'images per step' },
  steps: { kind: 'whole', value: 'N', least: 1, help: 'end after so many steps, also within an epoch' },
  optimizer: {
    kind: 'choice',
    value: 'NAME',
    choices: optimizers,
    default: 'sgd',
    help: 'sgd (momentum 0.9), adam or adamw',
  },
  lr: {
    kind: 'number',
    value: 'X',
    help: 'learning rate of the first step; it falls to 0 in a straight line (what suits the model)',
  },
  seed: { kind: 'whole', value: 'N', default: 1, help: 'fixes the weights and the order of the images' },
  device: { kind: 'text', value: 'NAME', default: 'auto', help: 'cpu, cuda, cuda:1 ... or auto' },
  threads: {
    kind: 'whole',
    value: 'N',
    least: 1,
    help: 'threads of the CPU (one per core); results do not depend on it',
  },
  output: { kind: 'text', value: 'FILE', help: 'where the weights go, as safetensors (MODEL.safetensors)' },
  json: { kind: 'flag', help: 'the result for programs; progress goes to stderr' },
} as const;

type Options = OptionValues<typeof options>;

/** What a training run came to, as `tilegrad train --json` prints it. */
export interface TrainResult {
  model: string;
  /** Title of the data set, and where its images came from. */
  data: string;
  source: string;
  parameters: number;
  device: string;
  seed: number;
  /** Steps that were taken, of all epochs. */
  steps: number;
  /** Mean training loss of each epoch and its speed in images per second. */
  epochs: { loss: number; imagesPerSecond: number }[];
  /** Share of the test images that are read right. */
  testAccuracy: number;
  seconds: number;
  output: string;
  /** Whether Ctrl-C ended it early. */
  interrupted: boolean;
}

interface Run {
  model: nn.Sequential;
  optimizer: optim.SGD | optim.Adam | optim.AdamW;
  schedule: optim.lrScheduler.LRScheduler;
  loader: DataLoader<LabelledBatch>;
  stepsLeft: number;
  signal: AbortSignal;
  stream: TextStream;
}

/** Trains for one epoch, or until the steps are used up or the signal is raised. */
async function trainEpoch(run: Run, label: string): Promise<TrainResult['epochs'][number]> {
  const { model, optimizer, schedule, loader } = run;
  const total = Math.min(loader.dataset.length, run.stepsLeft * loader.batchSize);
  const progress = new Progress({ total, label, unit: 'images', stream: run.stream });
  let [loss, samples] = [0, 0];
  for await (const { input, target } of loader) {
    if (run.signal.aborted || run.stepsLeft === 0) break;
    optimizer.zeroGrad();
    const batchLoss = nn.functional.crossEntropy(model.forward(input), target);
    batchLoss.backward();
    optimizer.step();
    schedule.step();
    run.stepsLeft -= 1;
    // Reading a value waits for the device, so the mean loss is taken over every twentieth step.
    if (samples * 20 <= progress.done / loader.batchSize) loss += ((await batchLoss.item()) - loss) / ++samples;
    progress.advance(input.size(0), { loss });
  }
  progress.finish({ loss });
  return { loss, imagesPerSecond: progress.rate };
}

/** The predicted class of every image, in order. */
async function predict(model: nn.Sequential, images: ImageDataset, place: Device): Promise<number[]> {
  const predicted: number[] = [];
  model.eval();
  for await (const { input } of new DataLoader(images, { batchSize: 500, device: place })) {
    const classes = tidy(() => noGrad(() => model.forward(input).argmax(1)));
    predicted.push(...Array.from(await classes.data(), Number));
  }
  model.train();
  return predicted;
}

/** A folder that does not take files is told before the training, not after it. */
async function checkOutput(path: string): Promise<void> {
  await access(dirname(path), constants.W_OK).catch((cause: Error) => {
    throw new TilegradError('ERR_IO', `--output: cannot write into ${dirname(path)} (${cause.message})`, { cause });
  });
}

function makeOptimizer(values: Options, { lr }: NamedModel, model: nn.Sequential): Run['optimizer'] {
  const parameters = model.parameters();
  if (values.optimizer === 'sgd') return new optim.SGD(parameters, { lr: values.lr ?? lr, momentum: 0.9 });
  const Rule = values.optimizer === 'adam' ? optim.Adam : optim.AdamW;
  return new Rule(parameters, { lr: values.lr ?? 1e-3 });
}

const count = (n: number): string => n.toLocaleString('en-US');

async function trainModel(values: Options, stream: TextStream, signal: AbortSignal): Promise<TrainResult> {
  const start = performance.now();
  const output = resolve(values.output ?? `${values.model}.safetensors`);
  await checkOutput(output);
  const place = device(values.device as DeviceName);
  if (values.threads !== undefined) setNumThreads(values.threads);
  const images = await loadImages(values.data, stream);
  manualSeed(values.seed);
  const named = models[values.model] as NamedModel;
  const model = named.make().to(place);
  const parameters = model.parameters().reduce((sum, { numel }) => sum + numel, 0);
  const batchSize = values['batch-size'];
  stream.write(`${describeImages(images)}\n`);
  stream.write(
    `${values.model} (${named.title}), ${count(parameters)} parameters, on ${place}, batches of ${batchSize}\n`,
  );

  const optimizer = makeOptimizer(values, named, model);
  const loader = new DataLoader(images.train, { batchSize, seed: values.seed, shuffle: true, device: place });
  const planned = Math.min(values.epochs * loader.length, values.steps ?? Number.POSITIVE_INFINITY);
  const schedule = new optim.lrScheduler.LinearLR(optimizer, {
    startFactor: 1,
    endFactor: 0,
    totalIters: Math.max(1, planned),
  });
  const run: Run = { model, optimizer, schedule, loader, stepsLeft: planned, signal, stream };
  const epochs: TrainResult['epochs'] = [];
  while (run.stepsLeft > 0 && !signal.aborted)
    epochs.push(await trainEpoch(run, `epoch ${epochs.length + 1}/${values.epochs}`));

  const steps = planned - run.stepsLeft;
  if (signal.aborted) stream.write(`stopped after ${count(steps)} of ${count(planned)} steps; testing and saving\n`);
  const predicted = await predict(model, images.test, place);
  const target = Array.from(await images.test.labels.data(), Number);
  const right = target.filter((label, i) => label === predicted[i]).length;
  if (!values.json) {
    stream.write(`\n${confusionTable(confusionCounts(predicted, target, images.classes.length), images.classes)}\n`);
    stream.write(`\n${await drawPredictions(images.test, predicted, { columns: stream.columns })}\n`);
  }
  const metadata = { model: values.model, data: images.title, seed: String(values.seed) };
  await save(output, model.stateDict(), { metadata });
  return {
    model: values.model,
    data: images.title,
    source: images.source,
    parameters,
    device: String(place),
    seed: values.seed,
    steps,
    epochs,
    testAccuracy: right / target.length,
    seconds: (performance.now() - start) / 1000,
    output,
    interrupted: signal.aborted,
  };
}

function formatResult({ epochs, testAccuracy, output, seconds }: TrainResult): string {
  const speed = Math.max(0, ...epochs.map(({ imagesPerSecond }) => imagesPerSecond));
  const rows = [
    ['training speed', `${count(Math.round(speed))} images/s`],
    ['test accuracy', `${(100 * testAccuracy).toFixed(2)} %`],
    ['time', `${seconds.toFixed(1)} s`],
    ['saved', output],
  ];
  return `\n${rows.map(([name, text]) => `${(name as string).padEnd(16)}${text}`).join('\n')}`;
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseOptions(args, options);
  if (!/^(cpu|auto|cuda(:\d+)?)$/.test(values.device))
    throw new UsageError(`--device is '${values.device}', expected cpu, cuda, cuda:1 ... or auto`);
  return interruptible(async (signal) => {
    const result = await trainModel(values, values.json ? process.stderr : process.stdout, signal);
    console.log(values.json ? JSON.stringify(result, null, 2) : formatResult(result));
    return result.interrupted ? exitCodes.interrupted : exitCodes.done;
  });
}

export const train: Command = {
  help: `tilegrad train [OPTIONS]
Trains a model to tell images apart, tests it and saves its weights. Ctrl-C ends the training, tests and saves.
${formatOptions(options)}`,
  run,
};
