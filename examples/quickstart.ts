// LeNet-5 learns to read handwritten digits: npm run quickstart -- --help
import { resolve } from 'node:path';
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

const options = {
  epochs: { kind: 'whole', value: 'N', default: 5, help: 'passes over the training images' },
  'batch-size': { kind: 'whole', value: 'N', least: 1, default: 64, help: 'images per step' },
  lr: {
    kind: 'number',
    value: 'X',
    default: 0.05,
    help: 'learning rate of the first step; it falls to 0 in a straight line',
  },
  seed: { kind: 'whole', value: 'N', default: 1, help: 'fixes the weights and the order of the images' },
  data: {
    kind: 'text',
    value: 'NAME',
    default: 'mnist',
    help: 'mnist, fashion, or drawn: digits that the library draws itself',
  },
  device: { kind: 'text', value: 'NAME', default: 'auto', help: 'cpu, cuda or auto' },
  output: { kind: 'text', value: 'FILE', default: 'lenet5.safetensors', help: 'where the trained weights go' },
  help: { kind: 'flag', help: 'this text' },
} as const;

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

async function main(): Promise<void> {
  const { values } = cli.parseOptions(process.argv.slice(2), options);
  if (values.help) return console.log(`npm run quickstart -- [OPTIONS]\n${cli.formatOptions(options)}`);
  const { epochs, 'batch-size': batchSize, seed } = values;
  const images = await cli.loadImages(values.data);
  const { train, test, classes } = images;
  const place = device(values.device as DeviceName);
  manualSeed(seed);
  const model = lenet5().to(place);
  const count = (n: number) => n.toLocaleString('en-US');
  console.log(cli.describeImages(images));
  const weights = model.parameters().reduce((sum, { numel }) => sum + numel, 0);
  console.log(`LeNet-5, ${count(weights)} parameters, on ${place}, batches of ${batchSize}`);

  const optimizer = new optim.SGD(model.parameters(), { lr: values.lr, momentum: 0.9 });
  const loader = new data.DataLoader(train, { batchSize, seed, shuffle: true, device: place });
  const totalIters = Math.max(1, epochs * loader.length);
  const schedule = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 1, endFactor: 0, totalIters });
  const rates: number[] = [];
  for (let epoch = 1; epoch <= epochs; epoch++)
    rates.push(await trainEpoch(model, optimizer, schedule, loader, `epoch ${epoch}/${epochs}`));

  const predicted = await predict(model, test, place);
  const target = Array.from(await test.labels.data(), Number);
  const correct = target.filter((label, i) => label === predicted[i]).length;
  console.log(`\n${cli.confusionTable(cli.confusionCounts(predicted, target, classes.length), classes)}`);
  console.log(`\n${await cli.drawPredictions(test, predicted, { columns: process.stdout.columns })}`);
  const output = resolve(values.output);
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
  console.error(error instanceof TilegradError ? `quickstart: ${error.message}` : error);
  process.exitCode = 1;
}
