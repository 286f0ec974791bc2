// Forms of weights that CPU kernels pack and keep while the contents stay as they are.
import {
  assign,
  conv2d,
  device,
  full,
  index,
  int8Conv2d,
  int8LinearDynamic,
  int8Matmul,
  linear,
  manualSeed,
  memory,
  nn,
  noGrad,
  optim,
  randint,
  randn,
  type Tensor,
  tidy,
} from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const place = device('cpu');
const packed = (): number => memory(place).packedBytes;
const bits = (x: Tensor): Uint32Array => new Uint32Array((x.dataSync() as Float32Array).slice().buffer);

/** The result of a call that keeps nothing, on a copy of the weight. */
const once = (x: Tensor, weight: Tensor, options: object): Uint32Array =>
  tidy(() => bits(conv2d(x, weight.add(0), options)));

/** Calls until the form is kept, and once more; the results of all calls. */
function repeated(x: Tensor, weight: Tensor, options: object, calls = 4): Uint32Array[] {
  return noGrad(() => Array.from({ length: calls }, () => tidy(() => bits(conv2d(x, weight, options)))));
}

manualSeed(11);
const image = randn([1, 32, 30, 30], { device: place });
const kernels = (size: number): Tensor => randn([48, 32, size, size], { device: place });

// By Winograd's algorithm; with filters along the lanes; in panels that are packed for all tasks, or by each task for itself.
const cases: [name: string, x: Tensor, weight: () => Tensor, options: object][] = [
  ['3 x 3', image, () => kernels(3), { padding: 1 }],
  ['5 x 5', image, () => kernels(5), { padding: 2 }],
  ['3 x 3 of stride 2', image, () => kernels(3), { padding: 1, stride: 2 }],
  ['few filters', image, () => randn([6, 32, 3, 3], { device: place }), { padding: 1, stride: 2 }],
  [
    'f64',
    randn([1, 64, 7, 7], { device: place, dtype: 'f64' }),
    () => randn([128, 64, 3, 3], { device: place, dtype: 'f64' }),
    {},
  ],
  ['groups', image, () => randn([48, 8, 3, 3], { device: place }), { groups: 4 }],
  ['1 x 1', randn([1, 256, 30, 30], { device: place }), () => randn([160, 256, 1, 1], { device: place }), {}],
  ['with pooling', image, () => kernels(5), { maxPool: 2 }],
];

describe.each(cases)('conv2d of %s', (_, x, make, options) => {
  test('gives the same bits with a kept form', () => {
    const before = packed();
    const weight = make();
    const plain = once(x, weight, options);
    expect(packed()).toBe(before);
    for (const result of repeated(x, weight, options)) expect(result).toEqual(plain);
    const kept = packed();
    expect(kept - before).toBeGreaterThanOrEqual(4 * weight.numel);
    repeated(x, weight, options);
    expect(packed()).toBe(kept);
    weight.dispose();
    expect(packed()).toBe(before);
  });
});

test('linear gives the same bits with a kept form', () => {
  const before = packed();
  const x = randn([3, 40, 300], { device: place });
  const weight = randn([70, 300], { device: place });
  const bias = randn([70], { device: place });
  const call = (w: Tensor): Uint32Array => noGrad(() => tidy(() => bits(linear(x, w, bias))));
  const plain = tidy(() => call(weight.add(0)));
  expect(packed()).toBe(before);
  for (let i = 0; i < 4; i++) expect(call(weight)).toEqual(plain);
  expect(packed() - before).toBeGreaterThanOrEqual(4 * weight.numel);
  tidy(() => assign(weight, weight.mul(2)));
  expect(packed()).toBe(before);
  for (let i = 0; i < 20; i++) expect(call(weight)).not.toEqual(plain);
  weight.dispose();
  expect(packed()).toBe(before);
});

describe('a kept form', () => {
  const options = { padding: 2 };
  const { limitBytes } = memory(place);
  afterEach(() => place.setMemoryLimit(limitBytes));

  test('goes when the weight is written, in whole or in part', () => {
    const before = packed();
    const weight = kernels(5);
    for (const write of [
      () => assign(weight, kernels(5)),
      () => assign(index(weight, 3), randn([32, 5, 5], { device: place })),
    ]) {
      repeated(image, weight, options, 20);
      expect(packed()).toBeGreaterThan(before);
      tidy(write);
      expect(packed()).toBe(before);
      for (const result of repeated(image, weight, options)) expect(result).toEqual(once(image, weight, options));
    }
    weight.dispose();
    expect(packed()).toBe(before);
  });

  test('stays with the work that was asked for before the write', async () => {
    const weight = kernels(5);
    repeated(image, weight, options);
    const plain = once(image, weight, options);
    const results = Array.from({ length: 5 }, () => conv2d(image, weight, options));
    assign(weight, kernels(5));
    const after = conv2d(image, weight, options);
    const fresh = once(image, weight, options);
    weight.dispose();
    for (const y of results) expect(bits(y)).toEqual(plain);
    expect(bits(after)).toEqual(fresh);
    for (const y of [...results, after]) y.dispose();
  });

  test('belongs to the part of the buffer that the weight shows', () => {
    const before = packed();
    const both = randn([2, 48, 32, 5, 5], { device: place });
    const parts = [tidy(() => index(both, 0)), tidy(() => index(both, 1))] as const;
    const plain = parts.map((part) => once(image, part, options));
    for (let round = 0; round < 5; round++)
      for (const [i, part] of parts.entries()) expect(tidy(() => bits(conv2d(image, part, options)))).toEqual(plain[i]);
    expect(packed()).toBeGreaterThan(before);
    both.dispose();
    parts[0].dispose();
    expect(packed()).toBeGreaterThan(before);
    parts[1].dispose();
    expect(packed()).toBe(before);
  });

  test('is dropped by trimMemory, and where the limit leaves no room', () => {
    const weight = kernels(5);
    repeated(image, weight, options);
    expect(packed()).toBeGreaterThan(0);
    place.trimMemory();
    expect(packed()).toBe(0);
    const plain = once(image, weight, options);
    repeated(image, weight, options);
    const kept = packed();
    expect(kept).toBeGreaterThan(0);
    place.setMemoryLimit(memory(place).liveBytes + memory(place).cachedBytes + kept);
    const large = randn([kept / 8], { device: place });
    expect(packed()).toBe(0);
    large.dispose();
    for (const result of repeated(image, weight, options)) expect(result).toEqual(plain);
    weight.dispose();
  });

  test('is none of a weight that is trained, and few calls of evaluation bring it', () => {
    const before = packed();
    const layer = new nn.Conv2d(32, 48, 5, { padding: 2, device: place });
    const optimizer = new optim.SGD(layer.parameters(), { lr: 0.01 });
    for (let step = 0; step < 20; step++) {
      tidy(() => layer.forward(image).mean().backward());
      optimizer.step();
      optimizer.zeroGrad();
      expect(packed()).toBe(before);
    }
    layer.eval();
    repeated(image, layer.weight, options, 20);
    expect(packed()).toBeGreaterThan(before);
    for (const parameter of layer.parameters()) parameter.dispose();
    expect(packed()).toBe(before);
  });
});

const bytes = (dtype: 'u8' | 'i8', low: number, high: number, ...shape: number[]): Tensor =>
  tidy(() => randint(low, high + 1, shape, { device: place }).to(dtype));

const input = bytes('u8', 0, 255, 40, 200);
const picture = bytes('u8', 0, 255, 2, 5, 12, 11);
// Weights of which pairs of products fit into 16 bits, and others; read across and along their rows; more columns than one task has.
const products: [name: string, weight: () => Tensor, product: (weight: Tensor) => Tensor][] = [
  ['narrow weights', () => bytes('i8', -64, 63, 200, 70), (b) => int8Matmul(input, b)],
  ['weights of full range', () => bytes('i8', -128, 127, 200, 600), (b) => int8Matmul(input, b)],
  ['transposed weights', () => bytes('i8', -128, 127, 70, 200), (b) => int8Matmul(input, b.transpose(0, 1))],
  [
    'a layer',
    () => bytes('i8', -128, 127, 33, 200),
    (w) => int8LinearDynamic(input.to('f32'), w, full([], 0.01, { device: place })),
  ],
  ['a convolution', () => bytes('i8', -128, 127, 17, 5, 3, 3), (w) => int8Conv2d(picture, w, { padding: 1 })],
];

describe.each(products)('an integer product of %s', (_, make, product) => {
  test('gives the same with a kept form, and another after a write', () => {
    const before = packed();
    const weight = make();
    const run = (w: Tensor) => tidy(() => Array.from(product(w).dataSync() as ArrayLike<number>));
    for (let round = 0; round < 2; round++) {
      const plain = tidy(() => run(weight.add(0)));
      for (let i = 0; i < 20; i++) expect(run(weight)).toEqual(plain);
      expect(packed() - before).toBeGreaterThanOrEqual(weight.numel);
      tidy(() => assign(weight, make()));
      expect(packed()).toBe(before);
    }
    weight.dispose();
  });
});

test.each([3, 40])(
  'a recurrent layer gives the same bits with a kept form, and new ones for a new weight (batch %i)',
  (batch) => {
    const layer = new nn.LSTM(8, 96, { device: place });
    const x = randn([5, batch, 8], { device: place });
    const run = (): Uint32Array => noGrad(() => tidy(() => bits(layer.forward(x)[0])));
    const plain = run();
    for (let i = 0; i < 4; i++) expect(run()).toEqual(plain);
    const kept = packed();
    const weight = layer.parameters()[1] as Tensor;
    noGrad(() => tidy(() => assign(weight, weight.mul(2))));
    expect(packed()).toBe(kept - 4 * weight.numel);
    expect(run()).not.toEqual(plain);
    noGrad(() => tidy(() => assign(weight, weight.mul(0.5))));
    expect(run()).toEqual(plain);
  },
);
