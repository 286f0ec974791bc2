// LeNet-5 learns to read handwritten digits: npm run quickstart -- --help
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  cli,
  type Device,
  type DeviceName,
  data,
  device,
  io,
  manualSeed,
  nn,
  noGrad,
  optim,
  TilegradError,
  tidy,
} from 'tilegrad';

const help = `npm run quickstart -- [options]
  --epochs N        passes over the training images (5)
  --batch-size N    images per step (64)
  --lr X            learning rate of the first step; it falls to 0 in a straight line (0.05)
  --seed N          fixes the weights and the order of the images (1)
  --data NAME       mnist, fashion, or drawn: digits that the library draws itself (mnist)
  --device NAME     cpu, cuda or auto (auto)
  --output FILE     where the trained weights go (lenet5.safetensors)`;

function readOptions() {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    options: {
      epochs: text('5'),
      'batch-size': text('64'),
      lr: text('0.05'),
      seed: text('1'),
      data: text('mnist'),
      device: text('auto'),
      output: text('lenet5.safetensors'),
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'epochs' | 'batch-size' | 'lr' | 'seed', whole: boolean) => {
    const value = Number(values[name]);
    if (value >= 0 && (whole ? Number.isInteger(value) : Number.isFinite(value))) return value;
    throw new TilegradError(
      'ERR_ARGUMENT',
      `--${name} is '${values[name]}', expected a ${whole ? 'whole ' : ''}number`,
    );
  };
  return {
    ...values,
    epochs: number('epochs', true),
    batchSize: number('batch-size', true),
    lr: number('lr', false),
    seed: number('seed', true),
  };
}

/** The training and test images that `--data` names. */
async function loadImages(name: string): Promise<data.MnistData> {
  const seen = new Set<string>();
  const onProgress = ({ file, total }: data.DownloadProgress) => {
    if (!seen.has(file)) console.log(`fetching ${file}, ${(total / 1e6).toFixed(1)} MB`);
    seen.add(file);
  };
  if (name === 'mnist') return data.mnist({ onProgress, fallback: 'draw' });
  if (name === 'fashion') return data.fashionMnist({ onProgress });
  if (name === 'drawn') return data.drawnDigits();
  throw new TilegradError('ERR_ARGUMENT', `--data is '${name}', expected mnist, fashion or drawn`);
}

/** Where the images came from, in words. */
function story({ title, source, detail }: data.MnistData): string {
  if (source === 'drawn') return `digits that the library drew itself, ${detail}`;
  return source === 'download' ? `${title}, downloaded to ${detail}` : `${title} from ${detail}`;
}

/** The network of LeCun et al. 1998, with today's ReLU and max pooling. */
function lenet5(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 6, 5), // (B, 6, 24, 24)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 6, 12, 12)
    new nn.Conv2d(6, 16, 5), // (B, 16, 8, 8)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 16, 4, 4)
    new nn.Flatten(), // (B, 256)
    new nn.Linear(256, 120),
    new nn.ReLU(),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10), // (B, 10)
  );
}

/** Trains for one epoch and returns images per second. */
async function trainEpoch(
  model: nn.Module,
  optimizer: optim.SGD,
  schedule: optim.lrScheduler.LRScheduler,
  loader: data.DataLoader<data.LabelledBatch>,
  label: string,
): Promise<number> {
  const progress = new cli.Progress({ total: loader.dataset.length, label, unit: 'images' });
  let [loss, samples] = [0, 0];
  for await (const { input, target } of loader) {
    optimizer.zeroGrad();
    const batchLoss = nn.functional.crossEntropy(model.forward(input), target);
    batchLoss.backward();
    optimizer.step();
    schedule.step();
    // Reading a value waits for the device, so the mean loss is taken over every twentieth step.
    if (samples * 20 <= progress.done / loader.batchSize) {
      loss += ((await batchLoss.item()) - loss) / ++samples;
    }
    progress.advance(input.size(0), { loss });
  }
  progress.finish({ loss });
  return progress.rate;
}

/** The predicted class of every image, in order. */
async function predict(model: nn.Module, images: data.ImageDataset, place: Device): Promise<number[]> {
  const predicted: number[] = [];
  model.eval();
  for await (const { input } of new data.DataLoader(images, { batchSize: 500, device: place })) {
    const classes = tidy(() => noGrad(() => model.forward(input).argmax(1)));
    predicted.push(...Array.from(await classes.data(), Number));
  }
  model.train();
  return predicted;
}

/** Three images that were read right and three that were not, if there are so many. */
function drawSome(pixels: Uint8Array, predicted: number[], target: number[], names: readonly string[]): string {
  const all = target.map((_, i) => i);
  const right = all.filter((i) => predicted[i] === target[i]).slice(0, 3);
  const wrong = all.filter((i) => predicted[i] !== target[i]).slice(0, 3);
  const pictures = [...right, ...wrong].map((i) => ({
    pixels: pixels.subarray(i * 784, (i + 1) * 784),
    caption: [`predicted ${names[predicted[i]!]}`, `true      ${names[target[i]!]}`],
  }));
  return cli.drawPictures(pictures, { columns: process.stdout.columns });
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) return console.log(help);
  const images = await loadImages(options.data);
  const { train, test, classes } = images;
  const place = device(options.device as DeviceName);
  manualSeed(options.seed);
  const model = lenet5().to(place);
  const count = (n: number) => n.toLocaleString('en-US');
  console.log(`${count(train.length)} training and ${count(test.length)} test images: ${story(images)}`);
  const weights = model.parameters().reduce((sum, { numel }) => sum + numel, 0);
  console.log(`LeNet-5, ${count(weights)} parameters, on ${place}, batches of ${options.batchSize}`);

  const optimizer = new optim.SGD(model.parameters(), { lr: options.lr, momentum: 0.9 });
  const { batchSize, seed } = options;
  const loader = new data.DataLoader(train, { batchSize, seed, shuffle: true, device: place });
  const totalIters = Math.max(1, options.epochs * loader.length);
  const schedule = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 1, endFactor: 0, totalIters });
  const rates: number[] = [];
  for (let epoch = 1; epoch <= options.epochs; epoch++)
    rates.push(await trainEpoch(model, optimizer, schedule, loader, `epoch ${epoch}/${options.epochs}`));

  const predicted = await predict(model, test, place);
  const target = Array.from(await test.labels.data(), Number);
  const correct = target.filter((label, i) => label === predicted[i]).length;
  console.log(`\n${cli.confusionTable(cli.confusionCounts(predicted, target, classes.length), classes)}`);
  console.log(`\n${drawSome((await test.images.data()) as Uint8Array, predicted, target, classes)}`);
  const output = resolve(options.output);
  await io.save(output, model.stateDict(), { metadata: { model: 'LeNet-5', data: images.title } });
  if (rates.length > 0) console.log(`\ntraining speed  ${count(Math.round(Math.max(...rates)))} images/s`);
  console.log(
    `test accuracy   ${((100 * correct) / test.length).toFixed(2)} % (${count(correct)} of ${count(test.length)})`,
  );
  console.log(`saved           ${output}`);
}

try {
  await main();
} catch (error) {
  // A mistake of the user needs its sentence, not a stack.
  console.error(
    error instanceof TilegradError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
      ? `quickstart: ${(error as Error).message}`
      : error,
  );
  process.exitCode = 1;
}
