import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TilegradError } from '../../lib/error.ts';
import { parseSafetensors, type SafetensorsTensor, serializeSafetensors } from '../../lib/io/safetensors.ts';

type Tensors = [string, SafetensorsTensor][];

const tensors: Tensors = [
  ['b', { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['a.weight', { dtype: 'f32', shape: [2, 1], data: new Uint8Array(Float32Array.of(1.5, -2).buffer) }],
  ['flag', { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }],
  ['empty', { dtype: 'f16', shape: [0, 4], data: new Uint8Array(0) }],
  ['scalar', { dtype: 'i64', shape: [], data: new Uint8Array(BigInt64Array.of(-7n).buffer) }],
];

function pack(input: Tensors, metadata: [string, string][] = []): Uint8Array {
  return Buffer.concat(serializeSafetensors(input, metadata));
}

/** A file from header text and a number of data bytes, all zero. */
function fileOf(header: string, dataBytes = 0): Uint8Array {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]);
}

function entry(dtype: string, shape: unknown, offsets: unknown): string {
  return `{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;
}

const f32 = entry('F32', [1], [0, 4]);

describe('serializeSafetensors', () => {
  it('gives back what was put in', () => {
    const bytes = pack(tensors, [
      ['format', 'pt'],
      ['a', 'ü "x"\n'],
    ]);
    const { tensors: read, metadata } = parseSafetensors(bytes);
    expect(new Set(read.keys())).toEqual(new Set(tensors.map(([name]) => name)));
    for (const [name, tensor] of tensors) {
      expect(read.get(name)?.dtype).toBe(tensor.dtype);
      expect(read.get(name)?.shape).toEqual(tensor.shape);
      expect(Array.from(read.get(name)?.data as Uint8Array)).toEqual(Array.from(tensor.data));
    }
    expect(Object.fromEntries(metadata)).toEqual({ format: 'pt', a: 'ü "x"\n' });
  });

  it('writes the same bytes whatever the order, wide dtypes first and aligned', () => {
    const [x, a]: [[string, string], [string, string]] = [
      ['x', '1'],
      ['a', '2'],
    ];
    const bytes = pack(tensors, [x, a]);
    expect(pack([...tensors].reverse(), [a, x])).toEqual(bytes);
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const names = [...parseSafetensors(bytes).tensors.keys()];
    expect(names).toEqual(['scalar', 'a.weight', 'empty', 'flag', 'b']);
  });

  it('writes the header that other readers expect, byte for byte', () => {
    const bytes = pack([['w', { dtype: 'f32', shape: [1], data: new Uint8Array(4) }]], [['k', 'v']]);
    const header = '{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    expect(Buffer.from(bytes.subarray(8, 8 + header.length)).toString()).toBe(header);
  });

  it('keeps names that JavaScript treats in its own way', () => {
    const odd = ['__proto__', 'constructor', '1', '0', '', '"\\', '\u2028'];
    const input = odd.map((name, i): Tensors[number] => [name, { dtype: 'u8', shape: [1], data: Uint8Array.of(i) }]);
    const { tensors: read } = parseSafetensors(pack(input));
    for (const [i, name] of odd.entries()) expect(Array.from(read.get(name)?.data as Uint8Array)).toEqual([i]);
  });

  const short: Tensors = [['x', { dtype: 'f32', shape: [2], data: new Uint8Array(7) }]];
  const reserved: Tensors = [['__metadata__', { dtype: 'u8', shape: [0], data: new Uint8Array(0) }]];
  const foreign: Tensors = [['x', { dtype: 'c64' as 'f32', shape: [], data: new Uint8Array(8) }]];
  it.each<[string, Tensors, [string, string][], string]>([
    ['a length that does not fit', short, [], 'tensor "x" has 7 bytes, F32 of shape [2] needs 8'],
    ['a reserved name', reserved, [], 'is reserved'],
    ['a name twice', [tensors[0], tensors[0]] as Tensors, [], 'the name "b" is given twice'],
    ['metadata that is no text', [], [['n', 3 as unknown as string]], 'metadata "n" is number, expected a string'],
    ['a foreign dtype', foreign, [], 'dtype c64 cannot be written'],
  ])('refuses %s', (_name, input, metadata, text) => {
    expect(() => pack(input, metadata)).toThrow(text);
    expect(() => pack(input, metadata)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

// Header text, number of data bytes after it, what the error must say.
const malformedHeaders: [string, number, string][] = [
  [' {}', 0, 'does not begin with "{"'],
  ['{"a":', 0, 'is not JSON in UTF-8'],
  ['{} x', 0, 'is not JSON in UTF-8'],
  [`{"a":${f32},"a":${f32}}`, 4, 'has the key "a" twice'],
  [`{"a":${f32},"\\u0061" :${f32}}`, 4, 'has the key "a" twice'],
  ['{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4, 'has the key "dtype" twice'],
  ['{"a":[1]}', 0, 'tensor "a" is not described by an object'],
  ['{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}', 0, 'tensor "a" has the unknown field "x"'],
  [`{"a":${entry('F31', [1], [0, 4])}}`, 4, 'unknown dtype "\\"F31\\""'],
  [`{"a":${entry('constructor', [1], [0, 4])}}`, 4, 'unknown dtype'],
  [`{"a":${entry('U8', [-1], [0, 4])}}`, 4, 'has shape "[-1]", expected a list of whole numbers'],
  [`{"a":${entry('U8', [1.5], [0, 4])}}`, 4, 'has shape "[1.5]"'],
  ['{"a":{"dtype":"U8","data_offsets":[0,0]}}', 0, 'has shape "none"'],
  [`{"a":${entry('U8', [1], [0, 1, 2])}}`, 4, 'has data_offsets "[0,1,2]", expected [begin, end]'],
  [`{"a":${entry('U8', [1], [4, 0])}}`, 4, 'tensor "a" has -4 bytes of data, U8 of shape [1] needs 1'],
  [`{"a":${entry('F64', [2 ** 40, 2 ** 40, 0], [0, 0])}}`, 0, 'more bytes than can be counted'],
  [`{"a":${entry('F64', [1], [0, 4])}}`, 4, 'has 4 bytes of data, F64 of shape [1] needs 8'],
  [`{"a":${f32},"b":${entry('U8', [1], [5, 6])}}`, 6, 'tensor "b" begins at byte 5, expected 4: a hole'],
  [`{"a":${f32},"b":${entry('U8', [2], [3, 5])}}`, 5, 'tensor "b" begins at byte 3, expected 4: an overlap'],
  [`{"a":${f32}}`, 5, 'describes 4 bytes of data, there are 5: bytes follow'],
  [`{"a":${f32}}`, 3, 'describes 4 bytes of data, there are 3: the file is cut short'],
  ['{"__metadata__":{"k":1}}', 0, '__metadata__ "k" is not a string'],
  ['{"__metadata__":[]}', 0, '__metadata__ is not an object'],
];

describe('parseSafetensors', () => {
  it.each(malformedHeaders)('refuses %s and %i bytes', (header, dataBytes, text) => {
    const read = () => parseSafetensors(fileOf(header, dataBytes), 'model.safetensors');
    expect(read).toThrow(`safetensors: model.safetensors: `);
    expect(read).toThrow(text);
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'is 0 bytes long, too short for a header'],
    ['a header over 100 MB', Uint8Array.of(1, 225, 245, 5, 0, 0, 0, 0, 123, 125), 'the format allows 100000000'],
    ['another kind of file', Buffer.from('PK\x03\x04 and so on'), '(is it a safetensors file?)'],
    ['a header beyond the end', fileOf('{}').fill(3, 0, 1), 'but is 10 bytes long: it is cut short'],
    ['broken UTF-8', fileOf('{"a":"?"}').map((b) => (b === 63 ? 0xff : b)), 'is not JSON in UTF-8'],
    [
      'a bool of 2',
      fileOf(`{"a":${entry('BOOL', [1], [0, 1])}}`, 1).map((b, i, all) => (i + 1 === all.length ? 2 : b)),
      'BOOL but holds bytes other than 0',
    ],
  ])('refuses %s', (_name, bytes, text) => {
    expect(() => parseSafetensors(bytes)).toThrow(text);
    expect(() => parseSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });

  it('tells a dtype of the format that the library lacks', () => {
    const read = () => parseSafetensors(fileOf(`{"a":${entry('I16', [1], [0, 2])}}`, 2), 'f');
    expect(read).toThrow('tensor "a" has dtype I16, supported are F64 F32 F16 BF16 I64 I32 I8 U8 BOOL');
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  it('reads a header that is not aligned, and tensors in any order of names', () => {
    const header = `{ "b" : ${entry('F32', [1], [1, 5])},\n"a":${entry('U8', [1], [0, 1])} }  `;
    expect([...parseSafetensors(fileOf(header, 5)).tensors.keys()]).toEqual(['a', 'b']);
  });

  it('bears a header of nested brackets and one of a huge string', () => {
    expect(() => parseSafetensors(fileOf(`{"a":${'['.repeat(2_000_000)}`))).toThrow(TilegradError);
    expect(() => parseSafetensors(fileOf(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`))).toThrow(TilegradError);
    const name = '\\"'.repeat(5_000_000);
    expect(parseSafetensors(fileOf(`{"${name}":${f32}}`, 4)).tensors.size).toBe(1);
  });

  it('refuses every truncation', () => {
    const bytes = pack(tensors, [['format', 'pt']]);
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parseSafetensors(bytes.subarray(0, n)), `cut to ${n}`).toThrow(TilegradError);
    }
  });

  it('ends in tensors that fit their bytes or in a TilegradError, for any change of bytes', () => {
    const bytes = pack(tensors, [['format', 'pt']]);
    const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) });
    const widths: Record<string, number> = { f64: 8, i64: 8, f32: 4, i32: 4, f16: 2, bf16: 2 };
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const mutated = Uint8Array.from(bytes);
        for (const { at, to } of changes) mutated[at] = to;
        let read: Map<string, SafetensorsTensor>;
        try {
          read = parseSafetensors(mutated).tensors;
        } catch (error) {
          expect(error).toBeInstanceOf(TilegradError);
          return;
        }
        for (const { dtype, shape, data } of read.values()) {
          expect(data.length).toBe(shape.reduce((a, b) => a * b, widths[dtype] ?? 1));
        }
      }),
      { numRuns: 3000 },
    );
  });
});
