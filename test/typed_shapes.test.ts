// Shapes as the compiler sees them. What is here compiles under `npm run typecheck`, and what must not compile is compiled
// by a test that reads the message.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  add,
  conv2d,
  full,
  linear,
  matmul,
  nn,
  ones,
  permute,
  rand,
  randn,
  relu,
  reshape,
  type Shape,
  softmax,
  type Tensor,
  tensor,
  transpose,
  zeros,
  zerosLike,
} from 'tilegrad';

const unknownShape: Tensor = zeros([2, 3] as number[]);
const batch: number = 4;

describe('a shape that is written out is known', () => {
  test('from factories', () => {
    expectTypeOf(zeros([2, 3])).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(ones([])).toEqualTypeOf<Tensor<[]>>();
    expectTypeOf(full([4], 1)).toEqualTypeOf<Tensor<[4]>>();
    expectTypeOf(rand([2, 3])).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(randn([batch, 3])).toEqualTypeOf<Tensor<[number, 3]>>();
    expectTypeOf(tensor([1, 2, 3, 4], { shape: [2, 2] })).toEqualTypeOf<Tensor<[2, 2]>>();
    expectTypeOf(tensor([[1, 2]])).toEqualTypeOf<Tensor>();
    expectTypeOf(zerosLike(zeros([2, 3]))).toEqualTypeOf<Tensor<[2, 3]>>();
  });

  test('through functions that keep it', () => {
    const x = zeros([2, 3]);
    expectTypeOf(x.relu().exp().neg()).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(relu(x)).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(softmax(x).cast('f64').to('cpu').detach().contiguous()).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(x.add(1)).toEqualTypeOf<Tensor<[2, 3]>>();
    expectTypeOf(add(1, x)).toEqualTypeOf<Tensor<[2, 3]>>();
  });

  test('through broadcasting', () => {
    const x = zeros([2, 1, 3]);
    expectTypeOf(x.mul(zeros([4, 1]))).toEqualTypeOf<Tensor<[2, 4, 3]>>();
    expectTypeOf(zeros([]).add(x)).toEqualTypeOf<Tensor<[2, 1, 3]>>();
    expectTypeOf(x.add(unknownShape)).toEqualTypeOf<Tensor>();
    expectTypeOf(zeros([batch, 3]).add(zeros([3]))).toEqualTypeOf<Tensor<[number, 3]>>();
  });

  test('through views', () => {
    const x = zeros([2, 3, 4]);
    expectTypeOf(x.reshape([6, 4])).toEqualTypeOf<Tensor<[6, 4]>>();
    expectTypeOf(x.reshape(6, -1)).toEqualTypeOf<Tensor<[6, number]>>();
    expectTypeOf(reshape(x, [24])).toEqualTypeOf<Tensor<[24]>>();
    expectTypeOf(x.permute(2, 0, 1)).toEqualTypeOf<Tensor<[4, 2, 3]>>();
    expectTypeOf(permute(x, [0, 2, 1])).toEqualTypeOf<Tensor<[2, 4, 3]>>();
    expectTypeOf(x.transpose()).toEqualTypeOf<Tensor<[2, 4, 3]>>();
    expectTypeOf(transpose(zeros([2, 3]))).toEqualTypeOf<Tensor<[3, 2]>>();
    expectTypeOf(x.transpose(0, 1)).toEqualTypeOf<Tensor>();
  });

  test('through products', () => {
    expectTypeOf(matmul(zeros([2, 3]), zeros([3, 4]))).toEqualTypeOf<Tensor<[2, 4]>>();
    expectTypeOf(zeros([7, 2, 3]).matmul(zeros([3, 4]))).toEqualTypeOf<Tensor<[7, 2, 4]>>();
    expectTypeOf(zeros([7, 1, 2, 3]).matmul(zeros([5, 3, 4]))).toEqualTypeOf<Tensor<[7, 5, 2, 4]>>();
    expectTypeOf(zeros([3]).matmul(zeros([3, 4]))).toEqualTypeOf<Tensor<[4]>>();
    expectTypeOf(zeros([2, 3]).matmul(zeros([3]))).toEqualTypeOf<Tensor<[2]>>();
    expectTypeOf(zeros([3]).matmul(zeros([3]))).toEqualTypeOf<Tensor<[]>>();
    expectTypeOf(linear(zeros([2, 3]), zeros([5, 3]))).toEqualTypeOf<Tensor<[2, 5]>>();
    expectTypeOf(conv2d(zeros([8, 3, 9, 9]), zeros([6, 3, 3, 3]))).toEqualTypeOf<Tensor<[8, 6, number, number]>>();
    expectTypeOf(conv2d(zeros([8, 4, 9, 9]), zeros([8, 1, 3, 3]), { groups: 4 })).toEqualTypeOf<
      Tensor<[8, 8, number, number]>
    >();
  });
});

describe('a shape that is not known fits everywhere, without a cast', () => {
  test('in functions and assignments', () => {
    const sizes: number[] = [2, 3];
    let x: Tensor = zeros(sizes);
    expectTypeOf(zeros(sizes)).toEqualTypeOf<Tensor<Shape>>();
    x = x.matmul(zeros([3, 5]));
    x = zeros([7]);
    const known: Tensor<[2, 3]> = unknownShape;
    const passed = (t: Tensor<[number, 3]>): Tensor => t;
    expectTypeOf(passed(known)).toEqualTypeOf<Tensor>();
    expectTypeOf(passed(unknownShape)).toEqualTypeOf<Tensor>();
    let state = zeros([2, 3]);
    state = unknownShape.mul(2);
    expect([x.shape, state.shape]).toEqual([[7], [2, 3]]);
  });

  test('in layers, which may be replaced by others and held in lists', () => {
    const model = { fc: new nn.Linear(512, 1000) };
    model.fc = new nn.Linear(512, 2);
    const layers = [new nn.Linear(4, 3), new nn.ReLU(), new nn.Linear(3, 2)];
    let x: Tensor = ones([1, 4]);
    for (const layer of layers) x = layer.forward(x);
    const list: nn.Module[] = layers;
    const chain: nn.Sequential = new nn.Sequential(...list);
    const named = new nn.Sequential({ first: new nn.Linear(4, 3), act: new nn.ReLU() });
    expect([x.shape, chain.length, named.length, model.fc.outFeatures]).toEqual([[1, 2], 3, 2, 2]);
  });

  test('in chains that are right', () => {
    const body = new nn.Sequential(
      new nn.Conv2d(1, 6, 5),
      new nn.BatchNorm2d(6),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(6, 16, 5),
      new nn.Flatten(),
    );
    const head = new nn.Sequential(new nn.Linear(256, 84), new nn.Dropout(0.1), new nn.ReLU(), new nn.Linear(84, 10));
    expect(new nn.Sequential(body, head, new nn.Linear(10, 2)).length).toBe(3);
  });
});

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the compiler says to a program, without the name of the file. */
function messages(lines: readonly string[]): string[] {
  const folder = join(root, 'build', 'typed_shapes');
  mkdirSync(folder, { recursive: true });
  const imports = "import { conv2d, linear, nn, ones, zeros } from 'tilegrad';";
  writeFileSync(join(folder, 'program.ts'), [imports, ...lines].join('\n'));
  const config = { extends: '../../tsconfig.json', compilerOptions: { rootDir: '.', noEmit: true }, include: ['*.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    encoding: 'utf8',
  });
  return stdout.split(/^\S*program\.ts/m).slice(1);
}

test('what cannot work does not compile, and says what the call would throw', () => {
  const cases: [string, string][] = [
    ['zeros([2, 3]).matmul(zeros([4, 5]));', '"matmul: a has 3 columns but b has 4 rows (a [2, 3], b [4, 5])"'],
    [
      'zeros([2, 3]).relu().add(1).matmul(zeros([5, 4]).transpose());',
      '"matmul: a has 3 columns but b has 4 rows (a [2, 3], b [4, 5])"',
    ],
    [
      'linear(zeros([64, 784]), zeros([10, 128]));',
      '"linear: weight expects 128 features but input has 784 (input [64, 784], weight [10, 128])"',
    ],
    [
      'conv2d(zeros([64, 1, 28, 28]), zeros([6, 3, 5, 5]));',
      '"conv2d: weight expects 3 input channels but input has 1 (input [64, 1, 28, 28], weight [6, 3, 5, 5])"',
    ],
    [
      'conv2d(ones([1, 4, 4]), ones([1, 1, 3, 3]));',
      '"conv2d: input and weight must have 4 dimensions (input [1, 4, 4], weight [1, 1, 3, 3])"',
    ],
    [
      'new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(64, 10));',
      '"Sequential: layer 2 takes 64 features but is given 128"',
    ],
    [
      'new nn.Sequential(new nn.Conv2d(1, 6, 5), new nn.MaxPool2d(2), new nn.Conv2d(16, 6, 5));',
      '"Sequential: layer 2 takes 16 channels but is given 6"',
    ],
    [
      'new nn.Sequential(new nn.Conv2d(3, 16, 3), new nn.BatchNorm2d(32));',
      '"Sequential: layer 1 takes 32 channels but is given 16"',
    ],
    [
      'new nn.Sequential(new nn.Sequential(new nn.Linear(4, 3), new nn.Tanh()), new nn.Linear(5, 1));',
      '"Sequential: layer 1 takes 5 features but is given 3"',
    ],
    ['let x = zeros([2, 3]); x = x.transpose();', "Type 'Tensor<[3, 2]>' is not assignable to type 'Tensor<[2, 3]>'"],
  ];
  const found = messages(cases.map(([code], i) => (i === 9 ? `export function f() { ${code} return x; }` : code)));
  expect(found).toHaveLength(cases.length);
  cases.forEach(([, text], i) => {
    expect(found[i]).toMatch(new RegExp(`^\\(${i + 2},`));
    expect(found[i]).toContain(text);
    // One sentence and its repetition: a wall of types would not read well.
    expect(found[i]?.trimEnd().split('\n').length).toBeLessThanOrEqual(4);
  });
});
