// Dropout in one pass: the mask is drawn again in the backward pass instead of being kept.
import { checkOptions } from '../error.ts';
import { defineOp, type Grads, type Run } from '../op.ts';
import type { Generator } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { reserve } from './random.ts';

let again: Run;

/**
 * Each element of `x` times 0 with chance `p` (default 0.5), else times 1 / (1 - p); `x` itself when `training` is
 * false (default true). Throws ERR_ARGUMENT for p outside [0, 1]. As torch.nn.functional.dropout.
 */
export const dropout = defineOp('dropout', {
  call: (run) => {
    again = run;
    return (
      x: Tensor,
      p = 0.5,
      options: { training?: boolean | undefined; generator?: Generator | undefined } = {},
    ): Tensor => {
      checkOptions('dropout', options, ['training', 'generator']);
      expectTensor('dropout', 'input', x);
      if (options.training === false) return x;
      return run([x], { p, ...reserve('dropout', options.generator, x.numel, 1) });
    };
  },
  grad: (ctx, dout): Grads => [again([dout], ctx.attrs)],
  onnx: (graph, { inputs, attrs }) => {
    const ratio = graph.constant([attrs.p as number], 'f32', []);
    return graph.node('Dropout', [inputs[0] as string, ratio]);
  },
});
