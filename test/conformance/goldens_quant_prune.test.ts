// Quantisation, integer products and pruning masks computed by PyTorch. See DESIGN on TILEGRAD_GOLDENS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  dequantizeLinear,
  dynamicQuantizeLinear,
  fakeQuantize,
  int8Conv2d,
  int8Matmul,
  manualSeed,
  nmMask,
  nn,
  prune,
  quantize,
  quantizeLinear,
  slice,
  type Tensor,
  tensor,
} from 'tilegrad';
import { describe, expect, it } from 'vitest';
import { parseSafetensors } from '../../lib/io/safetensors.ts';

interface Case {
  id: string;
  group: string;
  file: string;
  attrs: Record<string, unknown>;
  abs_tol: Record<string, number>;
  line: string;
}
type Outputs = Record<string, Tensor>;

const scalar = (value: unknown, dtype: 'i32' | 'f32'): Tensor => tensor(value as number, { dtype });

function zeroPoint(name: string, attrs: Case['attrs'], x: Record<string, Tensor>): Tensor {
  return x[name] ?? scalar(attrs[name], 'i32');
}

const numbers = (attrs: Case['attrs']) => attrs as Record<string, number>;
const byte = (dtype: unknown): 'u8' | 'i8' => (dtype === 'qint8' ? 'i8' : 'u8');
const f32 = (x: ArrayLike<number>): Tensor => tensor(Float32Array.from(x));

/** Scale and zero point of a case: attributes, or tensors of one per channel. */
function parameters(attrs: Case['attrs'], x: Record<string, Tensor>): [number | Tensor, number | Tensor] {
  const { scales, zero_points: zeroPoints } = x;
  if (!scales || !zeroPoints) return [attrs.scale as number, attrs.zero_point as number];
  return [
    f32(scales.dataSync() as Float64Array),
    tensor(Int32Array.from(zeroPoints.dataSync() as BigInt64Array, Number)),
  ];
}

/** Per-channel scales of the accumulators to the output, in f32. */
function outputScale(attrs: Case['attrs'], x: Record<string, Tensor>): Tensor {
  const { x_scale: xScale, y_scale: yScale } = numbers(attrs) as { x_scale: number; y_scale: number };
  const scales = (x.weight_scales as Tensor).dataSync() as Float64Array;
  return f32(scales.map((scale) => (scale * xScale) / yScale));
}

type Forward = (attrs: Case['attrs'], x: Record<string, Tensor>, c: Case) => Outputs | Promise<Outputs>;

function quantizedLinear(attrs: Case['attrs'], x: Record<string, Tensor>): Outputs {
  const input = x.x as Tensor;
  const weight = (x.weight as Tensor).transpose(0, 1);
  const aZeroPoint = scalar(attrs.x_zero_point, 'i32');
  const bias = x.bias_int32 as Tensor;
  return {
    acc: int8Matmul(input, weight, { aZeroPoint, bias }),
    y: int8Matmul(input, weight, {
      aZeroPoint,
      bias,
      scale: outputScale(attrs, x),
      dtype: 'u8',
      outZeroPoint: attrs.y_zero_point as number,
      relu: attrs.relu as boolean,
    }),
  };
}

function quantizedConv2d(attrs: Case['attrs'], x: Record<string, Tensor>): Outputs {
  const { stride, padding, dilation, groups } = numbers(attrs);
  const geometry = { stride, padding, dilation, groups, xZeroPoint: scalar(attrs.x_zero_point, 'i32') };
  const bias = x.bias_int32 as Tensor;
  return {
    acc: int8Conv2d(x.x as Tensor, x.weight as Tensor, { ...geometry, bias }),
    y: int8Conv2d(x.x as Tensor, x.weight as Tensor, {
      ...geometry,
      bias,
      scale: outputScale(attrs, x),
      dtype: 'u8',
      outZeroPoint: attrs.y_zero_point as number,
      relu: attrs.relu as boolean,
    }),
  };
}

function fakeQuantized(attrs: Case['attrs'], x: Record<string, Tensor>): Outputs {
  const input = (x.x as Tensor).requiresGrad_();
  const { quant_min: low, quant_max: high, axis } = numbers(attrs) as Record<string, number>;
  const y = fakeQuantize(input, ...parameters(attrs, x), low as number, high as number, { axis });
  y.backward(x['dout.y']);
  return { y, 'grad.x': input.grad as Tensor };
}

/** Quantised at run time, as ONNX's DynamicQuantizeLinear does; weights symmetric. */
async function dynamicLinear(attrs: Case['attrs'], x: Record<string, Tensor>): Promise<Outputs> {
  const { weight, bias } = x as { weight: Tensor; bias: Tensor };
  const [outFeatures, inFeatures] = weight.shape as [number, number];
  const linear = new nn.Linear(inFeatures, outFeatures);
  linear.loadStateDict({ weight, bias });
  const layer = new quantize.DynamicLinear(linear, { perChannel: attrs.per_channel as boolean });
  return {
    x_q: dynamicQuantizeLinear(x.x as Tensor).values,
    weight_q: layer.weight,
    y: layer.forward(x.x as Tensor),
  };
}

async function observed(attrs: Case['attrs'], x: Record<string, Tensor>): Promise<Outputs> {
  const { quant_min: quantMin, quant_max: quantMax } = numbers(attrs);
  const options = {
    dtype: byte(attrs.dtype),
    scheme: (attrs.scheme as string).endsWith('symmetric') ? 'symmetric' : 'affine',
    quantMin,
    quantMax,
    axis: attrs.axis as number | null,
  } as const;
  const averagingConstant = attrs.averaging_constant as number | null;
  const observer =
    averagingConstant === null
      ? new quantize.MinMaxObserver(options)
      : new quantize.MovingAverageMinMaxObserver({ ...options, averagingConstant });
  const batches = x.x as Tensor;
  for (let i = 0; i < batches.size(0); i++)
    await observer.observe(
      slice(batches, [i, 0, 0], [i + 1, batches.size(1), batches.size(2)]).reshape(batches.shape.slice(1)),
    );
  const { scale, zeroPoint } = observer.parameters();
  return { scale: scale.reshape([-1]), zero_point: zeroPoint.reshape([-1]) };
}

/** A whole number in the manifest is a count, also 1; JSON.parse would not tell 1 from 1.0. */
function amountOf(c: Case, name = 'amount'): prune.Amount {
  const written = c.line.match(new RegExp(`"${name}": ?([-\\d.e]+)`))?.[1] as string;
  return /^\d+$/.test(written) ? { count: Number(written) } : { fraction: Number(written) };
}

const order = (n: unknown): number => (n === '-inf' ? -Infinity : n === 'inf' ? Infinity : Number(n));

function pruned(attrs: Case['attrs'], x: Record<string, Tensor>, c: Case): Outputs {
  const { masks } = prune;
  const method = attrs.method as string;
  if (method.startsWith('global')) {
    const names = Object.keys(x).sort();
    const found = masks.globalL1(
      names.map((name) => x[name] as Tensor),
      amountOf(c),
    );
    return Object.fromEntries(names.map((name, i) => [`mask_${name}`, found[i] as Tensor]));
  }
  const weight = x.weight as Tensor;
  if (method === 'iterated') {
    const out: Outputs = {};
    let mask: Tensor | null = null;
    (attrs.steps as [string, number][]).forEach(([kind, amount], i) => {
      const fraction = { fraction: amount };
      mask = kind === 'ln' ? masks.ln(weight, fraction, 2, 0, { mask }) : masks.l1(weight, fraction, { mask });
      out[`mask_after_${i + 1}`] = mask;
    });
    return out;
  }
  if (method.startsWith('n:m')) return { mask: nmMask(weight, attrs.n as number, attrs.m as number) };
  if (method.startsWith('random')) {
    const [one, same, other] = [1, 1, 2].map((seed) => {
      manualSeed(seed);
      return masks.random(weight, amountOf(c));
    }) as [Tensor, Tensor, Tensor];
    expect(one.dataSync().filter((kept) => !kept).length).toBe(attrs.pruned_count);
    expect(same.dataSync()).toEqual(one.dataSync());
    expect(other.dataSync()).not.toEqual(one.dataSync());
    return {};
  }
  const mask =
    method === 'l1_unstructured'
      ? masks.l1(weight, amountOf(c))
      : masks.ln(weight, amountOf(c), order(attrs.n), attrs.dim as number);
  return { mask, pruned: weight.mul(mask.to('f32')) };
}

/** What a case computes, by group. */
const groups: Record<string, Forward> = {
  int8_gemm: (attrs, x) => ({
    acc: int8Matmul(x.a as Tensor, x.b as Tensor, {
      aZeroPoint: zeroPoint('a_zero_point', attrs, x),
      bZeroPoint: zeroPoint('b_zero_point', attrs, x),
    }),
  }),
  quantize: (attrs, x) => {
    const { axis } = numbers(attrs);
    const [scale, zero] = parameters(attrs, x);
    const q = quantizeLinear(x.x as Tensor, scale, zero, { dtype: byte(attrs.dtype), axis });
    return { q, dequantized: dequantizeLinear(q, scale, zero, { axis }) };
  },
  fake_quantize: fakeQuantized,
  qlinear: quantizedLinear,
  qconv2d: quantizedConv2d,
  dynamic_linear: dynamicLinear,
  observer: observed,
  prune: pruned,
};

const folder = process.env.TILEGRAD_GOLDENS;
const cases: Case[] = folder
  ? readFileSync(join(folder, 'quant-prune', 'manifest.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => ({ ...(JSON.parse(line) as Case), line }))
  : [];

describe.skipIf(!folder)(
  `PyTorch quantisation and pruning${folder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)'}`,
  () => {
    it.for(cases.map((c) => [c.id, c] as const))('%s', async ([, c], { skip }) => {
      const forward = groups[c.group];
      if (!forward) return skip(`unsupported: ${c.group}`);
      const { tensors } = parseSafetensors(readFileSync(join(folder as string, 'quant-prune', c.file)));
      const inputs: Record<string, Tensor> = {};
      for (const [name, { dtype, shape, data }] of tensors)
        if (!name.startsWith('out.')) inputs[name.replace(/^in\./, '')] = load(dtype, shape, data);
      for (const [name, got] of Object.entries(await forward(c.attrs, inputs, c))) {
        const { dtype, shape, data } = (tensors.get(`out.${name}`) ?? tensors.get(name)) as NonNullable<
          ReturnType<typeof tensors.get>
        >;
        const want = await load(dtype, shape, data).data();
        expect(got.shape, name).toEqual(shape);
        const values = await got.data();
        const tolerance = c.abs_tol[name] as number;
        for (let i = 0; i < want.length; i++)
          if (Math.abs(Number(values[i]) - Number(want[i])) > tolerance)
            expect.fail(`${name}[${i}] is ${values[i]} and should be ${want[i]} within ${tolerance}`);
      }
    });
  },
);

function load(dtype: Tensor['dtype'], shape: readonly number[], data: Uint8Array): Tensor {
  const { buffer } = Uint8Array.from(data);
  const arrays = {
    f32: Float32Array,
    f64: Float64Array,
    i64: BigInt64Array,
    i32: Int32Array,
    i8: Int8Array,
    u8: Uint8Array,
  };
  const type = arrays[dtype as keyof typeof arrays];
  return tensor(new type(buffer), { shape, dtype });
}
