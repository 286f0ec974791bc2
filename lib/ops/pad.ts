// More or fewer places at the ends of dimensions; rotation.
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { resolveDim, wholeNumbers } from './arguments.ts';
import { reshape } from './views.ts';

/** What stands in the padding: a constant, the image mirrored, its edge, or its other end. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Options of `pad`. */
export interface PadOptions {
  /**
   * What new places show: a constant; the input mirrored without repeating its edge; its edge; its other end.
   * Default: 'constant'.
   */
  mode?: PadMode | undefined;
  /** The constant. Default: 0. */
  value?: number | undefined;
}

const onnxModes: Record<PadMode, string> = {
  constant: 'constant',
  reflect: 'reflect',
  replicate: 'edge',
  circular: 'wrap',
};

const padded = defineOp('pad', {
  call: (run) => (x: Tensor, pads: readonly number[], mode: PadMode, value: number) => run([x], { pads, mode, value }),
  grad: (ctx, dout): Grads => {
    const pads = ctx.attrs.pads as readonly number[];
    // Taking constant places off again gives back what they were put around.
    if (ctx.attrs.mode === 'constant')
      return [
        padded(
          dout,
          pads.map((n) => -n),
          'constant',
          0,
        ),
      ];
    return [padInputGrad(dout, ctx.inputMeta(0).shape, ctx.attrs)];
  },
  onnx: (graph, { inputs, attrs, outputMeta }) => {
    const pads = attrs.pads as readonly number[];
    const ends = [0, 1].flatMap((side) => pads.filter((_, i) => i % 2 === side));
    const mode = attrs.mode as PadMode;
    const given = [inputs[0] as string, graph.constant(ends, 'i64')];
    if (mode === 'constant') given.push(graph.constant([attrs.value as number], outputMeta[0]?.dtype ?? 'f32', []));
    return graph.node('Pad', given, { mode: onnxModes[mode] });
  },
});

const padInputGrad = defineOp('pad_input_grad', {
  call: (run) => (dout: Tensor, shape: Shape, attrs: Attrs) =>
    run([dout], { pads: attrs.pads as number[], mode: attrs.mode as string, shape }),
  grad: (ctx, ddx): Grads => [padded(ddx, ctx.attrs.pads as number[], ctx.attrs.mode as PadMode, 0)],
  onnx: 'none',
});

/**
 * Puts `pads` places before and after the last dimensions of `x`: [before, after] of the last one, then of the one before
 * it, and so on. Negative numbers take places off. Throws ERR_SHAPE where more are taken off than there are,
 * ERR_ARGUMENT for an odd or too long list, or for 'reflect' beyond the size. As torch.nn.functional.pad.
 */
export function pad(x: Tensor, pads: readonly number[], options: PadOptions = {}): Tensor {
  checkOptions('pad', options, ['mode', 'value']);
  if (typeof pads === 'number' || wholeNumbers('pad', 'pads', pads).length % 2 !== 0 || pads.length > 2 * x.rank)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `pad: pads must be pairs for at most ${x.rank} dimensions but is [${[pads].flat().join(', ')}]`,
    );
  const inOrder: number[] = [];
  for (let i = pads.length - 2; i >= 0; i -= 2) inOrder.push(pads[i] as number, pads[i + 1] as number);
  const lead = new Array<number>(2 * x.rank - pads.length).fill(0);
  const all = [...lead, ...inOrder];
  const { mode = 'constant', value = 0 } = options;
  if (mode !== 'circular' || all.every((n) => n >= 0)) return padded(x, all, mode, value);
  // What is taken off takes no part in the circle.
  const rest = padded(
    x,
    all.map((n) => Math.min(n, 0)),
    'constant',
    0,
  );
  return padded(
    rest,
    all.map((n) => Math.max(n, 0)),
    mode,
    0,
  );
}

/**
 * The elements moved `shifts` places along `dims`; what leaves at one end comes in at the other. Without `dims` the
 * elements are moved in row-major order. Throws ERR_ARGUMENT unless there is one shift per dimension. As torch.roll.
 */
export function roll(x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[]): Tensor {
  const distances = wholeNumbers('roll', 'shifts', shifts);
  if (dims === undefined) return reshape(roll(reshape(x, [-1]), distances, 0), x.shape);
  const along = wholeNumbers('roll', 'dimensions', dims);
  if (along.length !== distances.length)
    throw new TilegradError('ERR_ARGUMENT', `roll: ${distances.length} shifts do not fit ${along.length} dimensions`);
  const pads = new Array<number>(2 * x.rank).fill(0);
  along.forEach((d, i) => {
    const at = 2 * resolveDim('roll', d, x.rank);
    const size = x.shape[at / 2] ?? 0;
    // A dimension may be named twice; the distances add up.
    if (size > 0) pads[at] = ((((pads[at] as number) + (distances[i] as number)) % size) + size) % size;
  });
  for (let i = 0; i < pads.length; i += 2) pads[i + 1] = -(pads[i] as number) || 0;
  return padded(x, pads, 'circular', 0);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link roll}. */
    roll(shifts: number | readonly number[], dims?: number | readonly number[]): Tensor<S>;
  }
}

Tensor.prototype.roll = function (shifts, dims) {
  return roll(this, shifts, dims);
};
