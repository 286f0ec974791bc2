import { conv2d, type Conv2dEpilogue, type Conv2dOptions, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray, type Sample } from '../support/op_rows.ts';

type Options = Pick<Conv2dOptions, 'stride' | 'padding' | 'dilation' | 'groups'> &
  Pick<Conv2dEpilogue, 'activation' | 'maxPool'>;
type Pair = readonly [number, number];

const pair = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value);

/** Zeros at top, bottom, left and right. */
function padding(given: Options['padding'], kernel: Pair, dilation: Pair): readonly number[] {
  if (given === 'valid' || given === undefined) return [0, 0, 0, 0];
  if (given === 'same')
    return [0, 1].flatMap((d) => {
      const total = dilation[d]! * (kernel[d]! - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  if (typeof given !== 'number' && given.length === 4) return given;
  const [h, w] = pair(given as number | Pair);
  return [h, h, w, w];
}

function convolution(
  x: NdArray,
  weight: NdArray,
  bias: NdArray | null | undefined,
  residual: NdArray | null | undefined,
  options: Options,
  round: (x: number) => number,
): NdArray {
  const [n, , height, width] = x.shape as [number, number, number, number];
  const [outputs, channels, rows, columns] = weight.shape as [number, number, number, number];
  const [stride, dilation] = [pair(options.stride ?? 1), pair(options.dilation ?? 1)];
  const [top, bottom, left, right] = padding(options.padding, [rows, columns], dilation) as [
    number,
    number,
    number,
    number,
  ];
  const perGroup = outputs / (options.groups ?? 1);
  const p = Math.floor((height + top + bottom - dilation[0] * (rows - 1) - 1) / stride[0]) + 1;
  const q = Math.floor((width + left + right - dilation[1] * (columns - 1) - 1) / stride[1]) + 1;
  return fromCoordinates([n, outputs, p, q], (at) => {
    const [image, k, i, j] = at as [number, number, number, number];
    let total = 0;
    for (let c = 0; c < channels; c++)
      for (let r = 0; r < rows; r++)
        for (let s = 0; s < columns; s++) {
          const [y, z] = [i * stride[0] + r * dilation[0] - top, j * stride[1] + s * dilation[1] - left];
          if (y < 0 || y >= height || z < 0 || z >= width) continue;
          const channel = Math.floor(k / perGroup) * channels + c;
          total = round(total + round(element(x, [image, channel, y, z]) * element(weight, [k, c, r, s])));
        }
    if (bias) total = round(total + bias.data[k]!);
    if (residual) total = round(total + element(residual, at));
    // NaN is neither below nor above.
    if (options.activation && total < 0) total = 0;
    return options.activation === 'relu6' && total > 6 ? 6 : total;
  });
}

function sample(x: number[], weight: number[], attrs: Options = {}, bias = true): Sample<Options> {
  return { inputs: [{ shape: x }, { shape: weight }, bias ? { shape: [weight[0]!] } : null], attrs };
}

/** With a residual of the output's shape. */
function residual(x: number[], weight: number[], y: number[], attrs: Options = {}, bias = true): Sample<Options> {
  const plain = sample(x, weight, attrs, bias);
  return { ...plain, inputs: [...plain.inputs, { shape: y }] };
}

/** Of windows beside one another; NaN counts as largest. */
function largest(x: NdArray, size: number): NdArray {
  const [n, k, p, q] = x.shape as [number, number, number, number];
  return fromCoordinates([n, k, Math.floor(p / size), Math.floor(q / size)], (at) => {
    const [image, plane, i, j] = at as [number, number, number, number];
    let best = Number.NEGATIVE_INFINITY;
    for (let r = 0; r < size; r++)
      for (let s = 0; s < size; s++) {
        const value = element(x, [image, plane, i * size + r, j * size + s]);
        if (value > best || Number.isNaN(value)) best = value;
      }
    return best;
  });
}

// Even and odd results, rows of one and of several vectors, with columns or a direct input gradient. No 16 bits, in which
// values tie.
const pooling: Sample<Options>[] = [
  sample([3, 2, 8, 8], [5, 2, 5, 5], { maxPool: 2 }),
  sample([2, 1, 12, 40], [6, 1, 5, 5], { maxPool: 2 }),
  sample([1, 3, 8, 9], [4, 3, 2, 3], { maxPool: 2, padding: 1, stride: [1, 2] }),
  sample([4, 6, 12, 12], [16, 6, 5, 5], { maxPool: 2 }, false),
  sample([2, 4, 6, 22], [6, 2, 3, 1], { maxPool: 2, groups: 2 }),
  sample([1, 2, 7, 7], [3, 2, 3, 3], { maxPool: 2, padding: 1 }),
  sample([1, 2, 9, 9], [3, 2, 1, 1], { maxPool: 3 }),
  { ...sample([5, 2, 9, 11], [7, 2, 5, 5], { maxPool: 2, activation: 'relu' }), smooth: false as const },
  { ...sample([2, 3, 10, 12], [4, 3, 3, 2], { maxPool: 2, activation: 'relu6' }), smooth: false as const },
  residual([2, 2, 7, 10], [16, 2, 3, 3], [2, 16, 5, 8], { maxPool: 2 }),
  sample([0, 2, 6, 6], [3, 2, 5, 5], { maxPool: 2 }),
  sample([2, 0, 6, 6], [3, 0, 5, 5], { maxPool: 2 }),
].map((one) => ({ ...one, dtypes: ['f32', 'f64'] }));

/** Values in (-1, 1), some replaced. */
function spoilt(count: number, values: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: count }, (_, i) => values[i] ?? Math.sin(i * i + 1));
}

export default defineRows<Options>({
  name: 'conv2d',
  covers: ['conv2d_input_grad', 'conv2d_weight_grad', 'conv2d_max_pool2d', 'conv2d_max_pool2d_grad'],
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'accumulating',
  call: ([x, weight, bias, residual], options) => conv2d(x!, weight!, { ...options, bias, residual }),
  reference: ([x, weight, bias, residual], options, round) => {
    const y = convolution(x!, weight!, bias, residual, options, round);
    return options.maxPool ? largest(y, options.maxPool) : y;
  },
  samples: [
    sample([1, 1, 1, 1], [1, 1, 1, 1]),
    sample([2, 3, 7, 9], [4, 3, 3, 3]),
    sample([2, 3, 7, 9], [4, 3, 3, 3], {}, false),
    sample([1, 2, 5, 5], [3, 2, 5, 5]),
    sample([2, 5, 6, 17], [7, 5, 1, 1]),
    sample([1, 2, 9, 8], [3, 2, 3, 2], { padding: 1 }),
    sample([1, 2, 6, 7], [3, 2, 3, 3], { padding: [2, 0], stride: [2, 1] }),
    sample([1, 2, 6, 7], [3, 2, 3, 3], { padding: [0, 1, 2, 3] }),
    sample([1, 2, 6, 7], [3, 2, 4, 2], { padding: 'same' }),
    sample([1, 2, 6, 7], [3, 2, 2, 3], { padding: 'same', dilation: [2, 1] }),
    sample([1, 2, 6, 7], [3, 2, 2, 3], { padding: 'valid', stride: 3 }),
    sample([1, 1, 11, 12], [2, 1, 3, 3], { dilation: [3, 2], stride: 2, padding: 2 }),
    sample([2, 4, 5, 6], [6, 2, 3, 3], { groups: 2, padding: 1 }),
    sample([1, 6, 8, 9], [6, 1, 3, 3], { groups: 6, padding: 1, stride: 2 }),
    sample([1, 3, 4, 4], [9, 1, 2, 2], { groups: 3 }),
    sample([2, 1, 12, 35], [17, 1, 5, 5]),
    sample([1, 9, 5, 3], [15, 9, 3, 3], { padding: 1 }),
    sample([1, 2, 3, 3], [2, 2, 3, 3], { padding: 4 }),
    sample([1, 2, 4, 70], [3, 2, 1, 7], { stride: [1, 3], padding: [0, 3] }),
    // Rows of 8, 12, 24 and 4 columns: the ends of two rows share a vector.
    sample([2, 2, 7, 10], [16, 2, 3, 3]),
    sample([1, 2, 5, 14], [3, 2, 3, 3]),
    sample([1, 2, 6, 26], [6, 2, 2, 3]),
    sample([1, 2, 5, 6], [7, 2, 3, 3], { padding: [0, 0] }),
    // Winograd's tiles of 4 x 4: sizes around one and two of them, few and many channels.
    sample([1, 16, 6, 6], [16, 16, 3, 3]),
    sample([1, 13, 7, 10], [17, 13, 3, 3], {}, false),
    sample([3, 18, 5, 9], [12, 18, 3, 3], { padding: 1 }),
    sample([1, 12, 3, 33], [33, 12, 3, 3], { padding: [2, 0, 1, 3] }),
    sample([2, 26, 4, 4], [26, 13, 3, 3], { padding: 1, groups: 2 }),
    residual([1, 16, 8, 5], [14, 16, 3, 3], [1, 14, 8, 5], { padding: 1 }),
    { ...residual([2, 12, 4, 9], [16, 12, 3, 3], [2, 16, 2, 7], { activation: 'relu' }), smooth: false },
    // Few tiles under many filters: tasks share the transformed input.
    ...[
      sample([1, 18, 7, 9], [102, 18, 3, 3], { padding: 1 }),
      residual([2, 24, 6, 5], [204, 12, 3, 3], [2, 204, 4, 3], { groups: 2 }, false),
      // Filters along the lanes: rows of one, two and three tiles, two narrow rows in a tile, by strides, in place.
      sample([1, 3, 8, 9], [20, 3, 3, 3], { stride: 2, padding: 1 }),
      sample([2, 4, 9, 31], [40, 4, 3, 3], { padding: 1 }),
      sample([1, 16, 5, 7], [33, 16, 1, 1]),
      sample([1, 5, 34, 40], [65, 5, 3, 4], { stride: [1, 2], dilation: [2, 1], padding: [3, 0, 1, 2] }),
      residual([1, 8, 7, 26], [24, 4, 2, 5], [1, 24, 6, 22], { groups: 2 }),
    ].map((deep) => ({ ...deep, dtypes: ['f32'] as const })),
    // Chunks of channels on tensor cores: ragged, by groups, more filters than a tile; depths that are split.
    ...[
      sample([2, 10, 6, 7], [70, 5, 3, 3], { groups: 2, padding: 1, stride: 2 }),
      sample([1, 20, 5, 7], [9, 20, 2, 3], { dilation: 2, padding: [1, 2] }),
      residual([2, 12, 5, 6], [24, 12, 3, 3], [2, 24, 5, 6], { padding: 1 }),
      sample([1, 60, 3, 4], [5, 60, 3, 3], { padding: 1 }),
      sample([4, 6, 12, 13], [5, 6, 1, 1]),
    ].map((deep) => ({ ...deep, dtypes: ['f32', 'f16', 'bf16'] as const })),
    // Few images under many kernels: a task is a panel of output channels.
    sample([1, 24, 4, 4], [64, 24, 3, 3], { padding: 1, stride: 2 }),
    sample([2, 12, 3, 5], [60, 12, 2, 3], { padding: [1, 0] }),
    { ...residual([1, 40, 4, 6], [128, 20, 1, 1], [1, 128, 4, 6], { groups: 2, activation: 'relu' }), smooth: false },
    // Every second column, in rows of one and of several vectors.
    sample([1, 2, 5, 79], [3, 2, 3, 3], { stride: 2, padding: 1 }),
    // Epilogues, on each way in which results are written: rows, shared vectors, runs through rows, strides.
    residual([2, 3, 7, 9], [4, 3, 3, 3], [2, 4, 5, 7]),
    residual([1, 2, 6, 26], [6, 2, 2, 3], [1, 6, 5, 24], {}, false),
    residual([1, 2, 6, 40], [17, 2, 3, 3], [1, 17, 6, 40], { padding: 1 }),
    residual([2, 2, 7, 10], [16, 2, 3, 3], [2, 16, 5, 8]),
    residual([2, 4, 7, 5], [6, 2, 3, 3], [2, 6, 4, 3], { groups: 2, padding: 1, stride: 2 }),
    residual([2, 0, 4, 4], [3, 0, 3, 3], [2, 3, 2, 2]),
    ...(['relu', 'relu6'] as const).flatMap((activation) => {
      // In 16 bits sums round to 6 itself, where the gradient jumps.
      const kinked =
        activation === 'relu'
          ? { smooth: false as const }
          : { smooth: false as const, dtypes: ['f32', 'f64'] as const };
      return [
        { ...sample([2, 3, 7, 9], [4, 3, 3, 3], { activation }), ...kinked },
        { ...residual([1, 2, 6, 26], [6, 2, 2, 3], [1, 6, 5, 24], { activation }), ...kinked },
        { ...residual([2, 2, 7, 10], [16, 2, 3, 3], [2, 16, 5, 8], { activation }, false), ...kinked },
      ];
    }),
    ...pooling,
    sample([0, 2, 4, 4], [3, 2, 3, 3]),
    sample([2, 0, 4, 4], [3, 0, 3, 3]),
    sample([2, 3, 4, 4], [0, 3, 3, 3]),
    {
      name: 'not finite',
      inputs: [
        { shape: [1, 1, 2, 3], values: [Infinity, 1, 2, Number.NaN, 1, -Infinity] },
        { shape: [2, 1, 1, 2], values: [1, 2, -1, 1] },
        null,
      ],
      attrs: {},
    },
    {
      name: "not finite, in Winograd's tiles",
      inputs: [
        { shape: [1, 16, 6, 9], values: spoilt(16 * 54, { 30: Infinity, 8: Number.NaN, 700: -Infinity }) },
        { shape: [16, 16, 3, 3], values: spoilt(16 * 144, {}) },
        null,
      ],
      attrs: { padding: 1 },
      smooth: false,
    },
    {
      name: "finite, but not in Winograd's sums",
      inputs: [
        { shape: [1, 16, 6, 6], values: spoilt(16 * 36, {}).map((x) => 4e37 * x) },
        { shape: [16, 16, 3, 3], values: spoilt(16 * 144, {}).map((x) => 0.01 * x) },
        null,
      ],
      dtypes: ['f32'],
      attrs: {},
      smooth: false,
    },
    {
      name: 'not finite, before ReLU',
      inputs: [
        { shape: [1, 1, 2, 3], values: [Infinity, 1, 2, Number.NaN, 1, -Infinity] },
        { shape: [2, 1, 1, 2], values: [1, 2, -1, 1] },
        null,
      ],
      attrs: { activation: 'relu' },
    },
  ],
  errors: [
    {
      name: 'channels that do not fit',
      // @ts-expect-error: the compiler sees it too
      run: () => conv2d(zeros([64, 1, 28, 28]), zeros([6, 3, 5, 5])),
      code: 'ERR_SHAPE',
      message: 'conv2d: weight expects 3 input channels but input has 1 (input [64, 1, 28, 28], weight [6, 3, 5, 5])',
    },
    {
      name: 'a kernel larger than the image',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 5, 3])),
      code: 'ERR_SHAPE',
      message: 'conv2d: the kernel spans 5 rows but the padded input has 4',
    },
    {
      name: 'three dimensions',
      // @ts-expect-error: the compiler sees it too
      run: () => conv2d(zeros([1, 4, 4]), zeros([1, 1, 3, 3])),
      code: 'ERR_SHAPE',
      message: 'conv2d: input and weight must have 4 dimensions (input [1, 4, 4], weight [1, 1, 3, 3])',
    },
    {
      name: 'a bias of another size',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([2, 1, 3, 3]), { bias: zeros([3]) }),
      code: 'ERR_SHAPE',
      message: 'conv2d: bias must have shape [2] but has [3]',
    },
    {
      name: 'a residual of another shape',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([2, 1, 3, 3]), { residual: zeros([1, 2, 4, 4]) }),
      code: 'ERR_SHAPE',
      message: "conv2d: residual must have the output's shape [1, 2, 2, 2] but has [1, 2, 4, 4]",
    },
    {
      name: 'an activation that there is not',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { activation: 'gelu' as 'relu' }),
      code: 'ERR_ARGUMENT',
      message: "conv2d: activation must be one of 'none', 'relu', 'relu6' but is 'gelu'",
    },
    {
      name: 'a window larger than the result',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([2, 1, 4, 4]), { maxPool: 2 }),
      code: 'ERR_SHAPE',
      message: 'max_pool2d: ',
    },
    {
      name: 'output channels and groups',
      run: () => conv2d(zeros([1, 4, 4, 4]), zeros([3, 2, 3, 3]), { groups: 2 }),
      code: 'ERR_SHAPE',
      message: 'conv2d: 3 output channels are no multiple of groups 2',
    },
    {
      name: 'a stride of 0',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { stride: 0 }),
      code: 'ERR_ARGUMENT',
      message: 'conv2d: stride must be from 1 to 2147483647 but is 0',
    },
    {
      name: 'same padding with a stride',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { padding: 'same', stride: 2 }),
      code: 'ERR_ARGUMENT',
      message: "conv2d: padding 'same' needs stride 1",
    },
    {
      name: 'an option that there is not',
      run: () => conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { strides: 2 } as Conv2dOptions),
      code: 'ERR_ARGUMENT',
      message: "conv2d: unknown option 'strides', did you mean 'stride'?",
    },
    {
      name: 'integers',
      run: () => conv2d(zeros([1, 1, 4, 4], { dtype: 'u8' }), zeros([1, 1, 3, 3], { dtype: 'u8' })),
      code: 'ERR_DTYPE',
      message: 'conv2d: the first input must be a floating-point tensor but is u8',
    },
  ],
});
