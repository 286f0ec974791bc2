// Encoder layers against values of PyTorch: weights sin(i + k) / 2 in the order of the state dict, inputs cos(i).
import { nn, noGrad, ones, type Tensor, tensor, tril } from 'tilegrad';
import { describe, expect, test } from 'vitest';

const filled = (shape: readonly number[], value: (i: number) => number): Tensor =>
  tensor(
    Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => value(i)),
    { shape, dtype: 'f64' },
  );

function layerOf(options: nn.TransformerEncoderLayerOptions): nn.TransformerEncoderLayer {
  const settings = { dimFeedforward: 6, dropout: 0, batchFirst: true, dtype: 'f64', ...options } as const;
  const layer = new nn.TransformerEncoderLayer(4, 2, settings);
  layer.namedParameters().forEach(([, parameter], k) => {
    noGrad(() => parameter.assign(filled(parameter.shape, (i) => Math.sin(i + k) / 2)));
  });
  return layer;
}

const source = filled([1, 3, 4], Math.cos);
const later = ones([3, 3])
  .sub(tril(ones([3, 3])))
  .cast('bool');

const cases: [nn.TransformerEncoderLayerOptions, number[]][] = [
  [
    {},
    [
      -0.96117623, -0.097134103, 0.449330972, 0.398374548, -0.744055347, -0.718345229, 0.284811157, 0.176221457,
      -0.930666602, -0.193591351, 0.276202586, 0.245840327,
    ],
  ],
  [
    { normFirst: true, activation: 'gelu' },
    [
      1.980790438, 0.583304639, -0.199614512, -0.881829492, 0.318456738, 0.382551547, 1.14813566, 0.896928553,
      0.840901409, -0.814988009, -0.626359641, 0.097791698,
    ],
  ],
];

describe('TransformerEncoderLayer', () => {
  test.each(cases)('with %j gives what PyTorch gives', async (options, expected) => {
    const y = layerOf(options).forward(source, { attnMask: later });
    const values = Array.from((await y.data()) as Float64Array);
    values.forEach((value, i) => void expect(value).toBeCloseTo(expected[i] as number, 8));
  });

  test('names its state as PyTorch does', () => {
    expect(Object.keys(layerOf({}).stateDict())).toEqual([
      ...['in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias'].map((name) => `self_attn.${name}`),
      ...['linear1', 'linear2', 'norm1', 'norm2'].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    ]);
  });

  test('has a gradient for every parameter', () => {
    const layer = layerOf({});
    layer.forward(source).square().sum().backward();
    expect(layer.parameters().filter(({ grad }) => grad === null)).toEqual([]);
  });

  test('refuses another activation', () => {
    expect(() => layerOf({ activation: 'tanh' as never })).toThrow(
      "TransformerEncoderLayer: activation must be 'relu' or 'gelu' but is 'tanh'",
    );
  });
});

describe('TransformerEncoder', () => {
  test('runs its layers one after the other', async () => {
    const encoder = new nn.TransformerEncoder(() => layerOf({}), 2, new nn.LayerNorm(4, { dtype: 'f64' }));
    const [first, second] = [...encoder.layers] as [nn.TransformerEncoderLayer, nn.TransformerEncoderLayer];
    expect(first).not.toBe(second);
    const expected = encoder.norm?.forward(second.forward(first.forward(source))) as Tensor;
    expect(await encoder.forward(source).tolist()).toEqual(await expected.tolist());
    expect(Object.keys(encoder.stateDict())).toContain('layers.1.self_attn.in_proj_weight');
  });

  test('takes a function that makes a layer', () => {
    expect(() => new nn.TransformerEncoder(layerOf({}) as never, 2)).toThrow(
      'TransformerEncoder: layer must be a function that makes a layer',
    );
    expect(() => new nn.TransformerEncoder(() => layerOf({}), 0)).toThrow('numLayers');
  });
});
