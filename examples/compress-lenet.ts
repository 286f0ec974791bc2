// Makes the LeNet-5 of the quickstart small: prunes it, trains it on, quantises it. npm run compress-lenet -- --help
import {
  cli,
  data,
  io,
  manualSeed,
  nn,
  noGrad,
  optim,
  prune,
  quantize,
  slice,
  type Tensor,
  TilegradError,
  tidy,
} from 'tilegrad';

const options = {
  input: {
    kind: 'text',
    value: 'FILE',
    default: 'lenet5.safetensors',
    help: 'the weights that the quickstart saved',
  },
  sparsity: { kind: 'number', value: 'X', default: 0.8, help: 'share of the weights that is pruned away' },
  epochs: { kind: 'whole', value: 'N', default: 1, help: 'passes over the training images to recover after pruning' },
  seed: { kind: 'whole', value: 'N', default: 1, help: 'fixes the order of the images' },
  help: { kind: 'flag', help: 'this text' },
} as const;

const lenet5 = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(256, 120),
    new nn.ReLU(),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10),
  );

/** The share of test images that the model reads right. */
async function accuracy(model: nn.Module, images: data.ImageDataset): Promise<number> {
  let right = 0;
  model.eval();
  for await (const { input, target } of new data.DataLoader(images, { batchSize: 500 })) {
    const logits = noGrad(() => model.forward(input));
    const [values, labels] = await Promise.all([logits.data(), target.data()]);
    const classes = logits.size(1);
    for (let i = 0; i < labels.length; i++) {
      const row = Array.from(values.subarray(i * classes, (i + 1) * classes), Number);
      if (row.indexOf(Math.max(...row)) === Number(labels[i])) right += 1;
    }
  }
  model.train();
  return right / images.length;
}

/** Bytes of the weights as they could be stored: of a pruned tensor the elements left, and a bit per element for its mask. */
function storedBytes(model: nn.Module): number {
  const state = model.stateDict();
  const bytes = Object.entries(state).map(([name, tensor]) => {
    const mask = state[name.replace(/_orig$/, '_mask')] as Tensor;
    if (tensor.dtype === 'bool') return tensor.numel / 8;
    const left = name.endsWith('_orig') ? tidy(() => mask.to('i32').sum().itemSync()) : tensor.numel;
    return left * (tensor.dtype === 'i8' ? 1 : 4);
  });
  return Math.ceil(bytes.reduce((a, b) => a + b, 0));
}

/** Median milliseconds of one forward pass of `x`. */
async function latency(model: nn.Module, x: Tensor): Promise<number> {
  model.eval();
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    const y = noGrad(() => tidy(() => model.forward(x)));
    await y.data();
    y.dispose();
    times.push(performance.now() - start);
  }
  model.train();
  return times.sort((a, b) => a - b)[100] as number;
}

async function report(label: string, model: nn.Module, test: data.ImageDataset): Promise<void> {
  const one = slice(test.images, [0, 0, 0, 0], [1, 1, 28, 28]).to('f32');
  const many = slice(test.images, [0, 0, 0, 0], [64, 1, 28, 28]).to('f32');
  const share = (100 * (await accuracy(model, test))).toFixed(2);
  const kilobytes = (storedBytes(model) / 1024).toFixed(1);
  const [single, batch] = [await latency(model, one), await latency(model, many)];
  const cells = [`${share} %`, `${kilobytes} KiB`, `${single.toFixed(3)} ms`, `${batch.toFixed(3)} ms`];
  console.log(label.padEnd(28) + cells.map((cell) => cell.padStart(12)).join(''));
}

async function recover(model: nn.Module, train: data.ImageDataset, epochs: number, seed: number): Promise<void> {
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const loader = new data.DataLoader(train, { batchSize: 64, shuffle: true, seed });
  for (let epoch = 0; epoch < epochs; epoch++)
    for await (const { input, target } of loader) {
      optimizer.zeroGrad();
      nn.functional.crossEntropy(model.forward(input), target).backward();
      optimizer.step();
    }
}

async function main(): Promise<void> {
  const { values } = cli.parseOptions(process.argv.slice(2), options);
  if (values.help) return console.log(`npm run compress-lenet -- [OPTIONS]\n${cli.formatOptions(options)}`);
  manualSeed(values.seed);
  const { train, test, title } = await data.mnist({ fallback: 'draw' });
  const model = lenet5();
  model.loadStateDict(await io.load(values.input));
  console.log(`LeNet-5 from ${values.input}, tested on ${test.length.toLocaleString('en-US')} images of ${title}\n`);
  const columns = ['accuracy', 'size', 'batch 1', 'batch 64'].map((name) => name.padStart(12)).join('');
  console.log(''.padEnd(28) + columns);
  await report('trained', model, test);

  const layers = model.modules().filter((module) => module instanceof nn.Conv2d || module instanceof nn.Linear);
  const weights = layers.map((layer) => [layer, 'weight'] as const);
  prune.globalUnstructured(weights, { fraction: values.sparsity });
  await report(`pruned by ${(100 * prune.sparsity(model)).toFixed(1)} %`, model, test);
  await recover(model, train, values.epochs, values.seed);
  await report(`and trained for ${values.epochs} more`, model, test);

  for (const layer of layers) prune.remove(layer, 'weight');
  quantize.dynamic(model);
  await report('and quantised to 8 bits', model, test);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof TilegradError ? `compress-lenet: ${error.message}` : error);
  process.exitCode = 1;
}
