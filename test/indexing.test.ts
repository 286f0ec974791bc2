import fc from 'fast-check';
import { assign, type Index, index, memory, type Nested, noGrad, type Tensor, tensor } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const count = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);
const range = (...shape: number[]) =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => i),
    { shape },
  );

/** Indexing of nested arrays, written plainly: the dimensions one after the other. */
function reference(x: Nested, entries: readonly Index[]): Nested {
  const [entry, ...rest] = entries;
  if (entry === undefined) return x;
  if (entry === null) return [reference(x, rest)];
  const list = x as readonly Nested[];
  if (typeof entry === 'number') return reference(list.at(entry) as Nested, rest);
  if (typeof entry !== 'string') return (entry as readonly number[]).map((i) => reference(list.at(i) as Nested, rest));
  const [start, stop, step] = entry.split(':').map((part) => (part.trim() === '' ? undefined : Number(part)));
  return list
    .slice(start, stop)
    .filter((_, i) => i % (step ?? 1) === 0)
    .map((part) => reference(part, rest));
}

const part = fc.option(fc.integer({ min: -7, max: 7 }), { nil: '' });
const sliceText = fc
  .tuple(part, part, fc.constantFrom('', ':', ':1', ':2', ':5'))
  .map(([a, b, step]) => `${a}:${b}${step}`);
const call = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    entries: fc
      .tuple(...shape.map((size) => fc.oneof(sliceText, sliceText, fc.integer({ min: -size, max: size - 1 }))))
      .chain((all) => fc.subarray(all, { minLength: 0 }).map((some) => all.slice(0, some.length) as Index[]))
      .chain((entries) =>
        fc
          .nat(entries.length)
          .map((at) => entries.toSpliced?.(at, 0, null) ?? [...entries.slice(0, at), null, ...entries.slice(at)]),
      ),
  }),
);

test('agrees with nested arrays', () => {
  fc.assert(
    fc.property(call, ({ shape, entries }) => {
      const x = range(...shape);
      expect(index(x, ...entries).tolistSync()).toEqual(reference(x.tolistSync(), entries));
    }),
    { seed: 1, numRuns: 400 },
  );
});

describe('entries', () => {
  const x = range(2, 3, 4);
  test.each<[Index[], number[]]>([
    [[], [2, 3, 4]],
    [[0], [3, 4]],
    [[0, 1, 2], []],
    [
      [-1, '...'],
      [3, 4],
    ],
    [
      ['...', -1],
      [2, 3],
    ],
    [['...'], [2, 3, 4]],
    [
      [null, '...', null],
      [1, 2, 3, 4, 1],
    ],
    [
      [':', null, '1:'],
      [2, 1, 2, 4],
    ],
    [
      ['5:', ' : 2 '],
      [0, 2, 4],
    ],
    [['2:1'], [0, 3, 4]],
    [['::1000000000000'], [1, 3, 4]],
    [['-99999999999999999999:99999999999999999999'], [2, 3, 4]],
  ])('%j', (entries, shape) => {
    expect(x.index(...entries).shape).toEqual(shape);
    expect(x.index(...entries).numel).toBe(count(shape));
  });

  test.each<[unknown[], string, string]>([
    [[2], 'ERR_ARGUMENT', 'index: 2 is out of range for dimension 0 of size 2'],
    [[0, -4], 'ERR_ARGUMENT', 'index: -4 is out of range for dimension 1 of size 3'],
    [[0.5], 'ERR_ARGUMENT', 'index: 0.5 is out of range'],
    [[0, 0, 0, 0], 'ERR_ARGUMENT', 'index: 4 entries for a tensor with 3 dimensions (shape [2, 3, 4])'],
    [['...', '...'], 'ERR_ARGUMENT', "'...' stands for all that is left, so only once"],
    [['1;2'], 'ERR_ARGUMENT', "index: '1;2' is no slice; write 'start:stop:step', for instance '1:3', ':' or '::2'"],
    [['::-1'], 'ERR_ARGUMENT', "index: '::-1' has step -1, but steps are at least 1; flip() turns around"],
    [['::0'], 'ERR_ARGUMENT', 'step 0'],
    [[undefined], 'ERR_ARGUMENT', 'not undefined'],
    [[{}], 'ERR_ARGUMENT', 'not an object'],
    [[[0, 2]], 'ERR_ARGUMENT', 'index: 2 is out of range for dimension 0 of size 2'],
    [[[0], [1]], 'ERR_UNSUPPORTED', 'takes one list, index tensor or mask'],
    [[tensor([0.5])], 'ERR_DTYPE', 'a tensor of places must be i64, i32 or bool but is f32'],
    [[tensor([true, false, true])], 'ERR_SHAPE', 'the mask has shape [3] but stands for dimensions of shape [2]'],
  ])('%j throws', (entries, code, text) => {
    const misuse = () => x.index(...(entries as Index[]));
    expect(misuse).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
  });
});

test('basic indexing gives views', () => {
  const x = range(4, 5);
  const before = memory().liveBytes;
  const views = [x.index('1:3'), x.index(0), x.index(':', 2), x.index('::2', '1::3'), x.index(null, '...', '1:2')];
  expect(memory().liveBytes).toBe(before);
  for (const view of views) view.dispose();
});

describe('lists, tensors and masks', () => {
  const x = range(3, 4);
  test.each<[string, Index[], Nested]>([
    [
      'a list',
      [[2, 0, -1]],
      [
        [8, 9, 10, 11],
        [0, 1, 2, 3],
        [8, 9, 10, 11],
      ],
    ],
    [
      'a list in the middle',
      ['1:', [1, -1]],
      [
        [5, 7],
        [9, 11],
      ],
    ],
    ['an empty list', [[]], []],
    ['a list beside a number', [1, [0, 3]], [4, 7]],
    [
      'an index tensor',
      [tensor([0n, -1n])],
      [
        [0, 1, 2, 3],
        [8, 9, 10, 11],
      ],
    ],
    [
      'an i32 index tensor',
      [':', tensor([1, 1], { dtype: 'i32' })],
      [
        [1, 1],
        [5, 5],
        [9, 9],
      ],
    ],
    ['a scalar index tensor', [tensor(1n)], [4, 5, 6, 7]],
    [
      'an index matrix',
      [
        1,
        tensor([
          [0n, 1n],
          [2n, 3n],
        ]),
      ],
      [
        [4, 5],
        [6, 7],
      ],
    ],
    [
      'a mask',
      [tensor([true, false, true])],
      [
        [0, 1, 2, 3],
        [8, 9, 10, 11],
      ],
    ],
    [
      'a mask of the last dimension',
      ['...', tensor([false, true, false, true])],
      [
        [1, 3],
        [5, 7],
        [9, 11],
      ],
    ],
  ])('%s', (_, entries, expected) => expect(x.index(...entries).tolistSync()).toEqual(expected));

  test('a mask over all dimensions', () => {
    const mask = tensor(
      Array.from({ length: 12 }, (_, i) => i % 5 === 0),
      { shape: [3, 4] },
    );
    expect(x.index(mask).tolistSync()).toEqual([0, 5, 10]);
    expect(range(2, 3, 4).index('...', mask).tolistSync()).toEqual([
      [0, 5, 10],
      [12, 17, 22],
    ]);
  });

  test('a place out of range in a tensor is reported at the next await', async () => {
    await expect(x.index(tensor([3n])).data()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(x.index(tensor([-4n])).data()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('gradients', () => {
  test.each<[string, Index[]]>([
    ['a slice', ['1:', '::2']],
    ['a number', [1]],
    ['a list with repetitions', [[0, 0, 2]]],
    ['a mask', [tensor([true, false, true])]],
  ])('flow through %s', (_, entries) => {
    const x = range(3, 4).requiresGrad_();
    x.index(...entries)
      .sum()
      .backward();
    const seen = x.index(...entries).tolistSync() as Nested[];
    const expected = new Array<number>(12).fill(0);
    for (const place of seen.flat(3) as number[]) expected[place] = (expected[place] as number) + 1;
    expect(Array.from((x.grad as Tensor).dataSync(), Number)).toEqual(expected);
  });
});

describe('assign', () => {
  test('writes into a part', () => {
    const x = range(3, 4);
    assign(
      x.index('1:', '::2'),
      tensor([
        [-1, -2],
        [-3, -4],
      ]),
    );
    assign(x.index(0), tensor([7]).expand(4));
    expect(x.tolistSync()).toEqual([
      [7, 7, 7, 7],
      [-1, 5, -2, 7],
      [-3, 9, -4, 11],
    ]);
  });

  test('is noticed by a gradient that needs the old values', () => {
    const x = range(3).requiresGrad_();
    const loss = x.mul(x).sum();
    noGrad(() => assign(x.index(0), tensor(9)));
    expect(() => loss.backward()).toThrow('was changed in place after it was saved for the gradient');
  });
});
