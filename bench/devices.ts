// npm run bench -- devices: the CPU's kernels against the GPU's over a range of sizes, and from which size on the GPU wins.
import {
  cli,
  add,
  conv2d,
  type Device,
  device,
  devices,
  getNumThreads,
  layerNorm,
  matmul,
  nn,
  optim,
  randint,
  randn,
  Scope,
  softmax,
  sum,
  tidy,
} from 'tilegrad';
import { milliseconds } from './milliseconds.ts';
import { summarize } from './timing.ts';

export interface Series {
  name: string;
  /** What the size counts. */
  unit: string;
  sizes: readonly number[];
  /** Makes the inputs of a size and returns what runs once: it enqueues, frees what it made and does not wait. */
  prepare: (size: number, device: Device) => () => void;
}

const powers = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => 2 ** (from + i * step));

function trainingStep(batch: number, place: Device): () => void {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(864, 10),
  ).to(place);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
  const input = randn([batch, 1, 28, 28], { device: place });
  const target = randint(0, 10, [batch], { dtype: 'i64', device: place });
  return () =>
    tidy(() => {
      optimizer.zeroGrad();
      nn.functional.crossEntropy(model.forward(input), target).backward();
      optimizer.step();
    });
}

/** `tiny` keeps to sizes that the emulated device computes in milliseconds. */
const seriesOf = (tiny: boolean): Series[] => [
  {
    name: 'add',
    unit: 'elements',
    sizes: tiny ? [64, 256] : powers(10, 26, 2),
    prepare: (n, place) => {
      const [a, b] = [randn([n], { device: place }), randn([n], { device: place })];
      return () => tidy(() => void add(a, b));
    },
  },
  {
    name: 'sum',
    unit: 'elements',
    sizes: tiny ? [64, 256] : powers(10, 26, 2),
    prepare: (n, place) => {
      const a = randn([n], { device: place });
      return () => tidy(() => void sum(a));
    },
  },
  {
    name: 'softmax of rows of 1024',
    unit: 'rows',
    sizes: tiny ? [1, 2] : powers(0, 14, 2),
    prepare: (rows, place) => {
      const a = randn([rows, 1024], { device: place });
      return () => tidy(() => void softmax(a, -1));
    },
  },
  {
    name: 'layer_norm of rows of 1024',
    unit: 'rows',
    sizes: tiny ? [1, 2] : powers(0, 14, 2),
    prepare: (rows, place) => {
      const a = randn([rows, 1024], { device: place });
      return () => tidy(() => void layerNorm(a, [1024]));
    },
  },
  {
    name: 'matmul n x n x n',
    unit: 'n',
    sizes: tiny ? [8, 16] : powers(5, 12),
    prepare: (n, place) => {
      const [a, b] = [randn([n, n], { device: place }), randn([n, n], { device: place })];
      return () => tidy(() => void matmul(a, b));
    },
  },
  {
    name: 'conv2d 3x3, 64 channels of 28x28',
    unit: 'images',
    sizes: tiny ? [1] : powers(0, 8, 2),
    prepare: (images, place) => {
      const channels = tiny ? 4 : 64;
      const x = randn([images, channels, tiny ? 6 : 28, tiny ? 6 : 28], { device: place });
      const weight = randn([channels, channels, 3, 3], { device: place });
      return () => tidy(() => void conv2d(x, weight, { padding: 1 }));
    },
  },
  {
    name: 'training step of a small network',
    unit: 'images',
    sizes: tiny ? [1] : powers(0, 12, 2),
    prepare: trainingStep,
  },
];

/** The smallest size from which on the second list is always below the first; null where it ends above. */
export function crossover(sizes: readonly number[], cpu: readonly number[], gpu: readonly number[]): number | null {
  let from: number | null = null;
  sizes.forEach((size, i) => {
    if ((gpu[i] as number) >= (cpu[i] as number)) from = null;
    else from ??= size;
  });
  return from;
}

/** Milliseconds per run, the median of a few samples. */
async function time(run: () => void, place: Device, seconds: number): Promise<number> {
  const sample = async (count: number) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) run();
    await place.sync();
    return (performance.now() - start) / 1e3;
  };
  await sample(1);
  let count = 1;
  for (let took = await sample(1); took < seconds / 8; took = await sample(count)) count *= 2;
  const samples: number[] = [];
  for (let i = 0; i < 5; i++) samples.push((await sample(count)) / count);
  return summarize(samples).median;
}

/** Prints one table per series; skips in words where there is no GPU. */
export async function compareDevices(filter: RegExp, seconds: number): Promise<void> {
  const found = devices().find(({ name }) => name.startsWith('cuda'));
  if (!found?.available) {
    console.log(`bench devices: skipped: ${found?.reason ?? 'there is no GPU'}`);
    return;
  }
  const emulated = found.description.startsWith('emulated');
  console.log(`cpu: ${getNumThreads()} threads; cuda: ${found.description}`);
  if (emulated) console.log('The device is emulated: the figures mean nothing.');
  const [cpu, gpu] = [device('cpu'), device('cuda')];
  for (const series of seriesOf(emulated)) {
    if (!filter.test(`devices ${series.name}`)) continue;
    const times: { cpu: number[]; gpu: number[] } = { cpu: [], gpu: [] };
    for (const size of series.sizes) {
      for (const [place, list] of [[cpu, times.cpu] as const, [gpu, times.gpu] as const]) {
        const scope = new Scope();
        list.push(
          await time(
            scope.run(() => series.prepare(size, place)),
            place,
            seconds,
          ),
        );
        scope.dispose();
      }
    }
    const rows = series.sizes.map((size, i) => {
      const [onCpu, onGpu] = [times.cpu[i] as number, times.gpu[i] as number];
      return [`${size}`, milliseconds(onCpu), milliseconds(onGpu), (onCpu / onGpu).toPrecision(3)];
    });
    console.log(`\n${series.name}\n${cli.formatTable([series.unit, 'cpu ms', 'cuda ms', 'cpu/cuda'], rows)}`);
    const from = crossover(series.sizes, times.cpu, times.gpu);
    console.log(
      from === null ? 'the CPU is faster at the largest size' : `the GPU is faster from ${from} ${series.unit} on`,
    );
  }
}
