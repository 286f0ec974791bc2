// Activation functions made of ops. Those with kernels of their own are ops.
import { TilegradError } from '../../error.ts';
import { resolveDim } from '../../ops/arguments.ts';
import { abs, add, chunk, gt, le, lt, mul, neg, sigmoid, softmax, sub, tanh, where } from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';

/** x - tanh(x). As torch.nn.functional.tanhshrink. */
export function tanhshrink(x: Tensor): Tensor {
  return sub(x, tanh(x));
}

/** x moved towards 0 by `lambd` (0.5), and 0 within it. As torch.nn.functional.softshrink. */
export function softshrink(x: Tensor, lambd = 0.5): Tensor {
  if (!(lambd >= 0)) throw new TilegradError('ERR_ARGUMENT', `softshrink: lambd must be from 0 up but is ${lambd}`);
  return where(gt(x, lambd), sub(x, lambd), where(lt(x, -lambd), add(x, lambd), 0));
}

/** 0 where |x| <= `lambd` (0.5), else x; NaN stays. As torch.nn.functional.hardshrink. */
export function hardshrink(x: Tensor, lambd = 0.5): Tensor {
  return where(le(abs(x), lambd), 0, x);
}

/** `value` where x <= `limit`, else x; NaN stays. As torch.nn.functional.threshold. */
export function threshold(x: Tensor, limit: number, value: number): Tensor {
  return where(le(x, limit), value, x);
}

/** The softmax of -x along `dim` (default the last). As torch.nn.functional.softmin. */
export function softmin(x: Tensor, dim = -1): Tensor {
  return softmax(neg(x), dim);
}

/** The first half of x along `dim` (default the last) times the sigmoid of the second. As torch.nn.functional.glu. */
export function glu(x: Tensor, dim = -1): Tensor {
  const size = x.shape[resolveDim('glu', dim, x.rank)] as number;
  if (x.rank === 0 || size % 2 !== 0)
    throw new TilegradError('ERR_SHAPE', `glu: dimension ${dim} of [${x.shape.join(', ')}] has no halves`);
  const [value, gate] = chunk(x, 2, dim) as [Tensor, Tensor];
  return mul(value, sigmoid(gate));
}
