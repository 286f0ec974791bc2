// Initial values that need more than one draw: orthogonal matrices and truncated normal distributions.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { add, assign, clamp, div, erf, exp, log, mul, normal, sqrt, square, sub, uniform } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import { type Tensor, tensor as makeTensor } from '../tensor.ts';
import type { InitOptions } from './init.ts';

/** Makes the rows of `a` (rows, columns), rows <= columns, orthonormal: Gram and Schmidt, twice for accuracy. */
function orthonormalize(a: Float64Array, rows: number, columns: number): void {
  for (let i = 0; i < rows; i++) {
    const row = a.subarray(i * columns, (i + 1) * columns);
    for (let pass = 0; pass < 2; pass++)
      for (let k = 0; k < i; k++) {
        const other = a.subarray(k * columns, (k + 1) * columns);
        let product = 0;
        for (let j = 0; j < columns; j++) product += (row[j] as number) * (other[j] as number);
        for (let j = 0; j < columns; j++) row[j] = (row[j] as number) - product * (other[j] as number);
      }
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let j = 0; j < columns; j++) row[j] = (row[j] as number) / length;
  }
}

/**
 * Fills with `gain` (1) times a random matrix (dim 0, all others) whose rows, or columns if there are fewer, are
 * orthonormal (Saxe et al. 2014). Computed on the host; waits for the device. As torch.nn.init.orthogonal_.
 */
export function orthogonal_<T extends Tensor>(tensor: T, gain = 1, options: InitOptions = {}): T {
  checkOptions('orthogonal_', options, ['generator']);
  const { generator } = options;
  if (tensor.rank < 2)
    throw new TilegradError(
      'ERR_SHAPE',
      `orthogonal_: needs at least 2 dimensions but the shape is [${tensor.shape.join(', ')}]`,
    );
  const rows = tensor.shape[0] as number;
  const columns = tensor.numel / Math.max(rows, 1);
  const [short, long] = rows <= columns ? [rows, columns] : [columns, rows];
  noGrad(() =>
    tidy(() => {
      const drawn = normal([short, long], 0, 1, { dtype: 'f64', generator }).dataSync() as Float64Array;
      orthonormalize(drawn, short, long);
      const values = Float64Array.from({ length: rows * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        return gain * (drawn[rows <= columns ? i : column * long + row] as number);
      });
      assign(tensor, makeTensor(values, { shape: tensor.shape, dtype: tensor.dtype, device: tensor.device }));
    }),
  );
  return tensor;
}

/** The inverse of erf on (-1, 1): Winitzki's approximation, then Newton's steps. */
function erfinv(y: Tensor): Tensor {
  const shape = 0.147;
  const logarithm = log(sub(1, square(y)));
  const half = add(mul(logarithm, 0.5), 2 / (Math.PI * shape));
  const size = sqrt(sub(sqrt(sub(square(half), div(logarithm, shape))), half));
  let x = mul(size, y.sign());
  for (let i = 0; i < 3; i++) x = sub(x, mul(mul(sub(erf(x), y), Math.sqrt(Math.PI) / 2), exp(square(x))));
  return x;
}

/** The share of the standard normal distribution below x, by a series of positive terms. */
function normalShare(x: number): number {
  const z = Math.min(Math.abs(x) / Math.SQRT2, 6);
  let [term, sum] = [z, z];
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  const value = (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
  return (1 + Math.sign(x) * value) / 2;
}

/**
 * Fills from the normal distribution, with values outside of [low, high] (-2 and 2 by default) drawn again. As
 * torch.nn.init.trunc_normal_.
 */
export function truncNormal_<T extends Tensor>(
  tensor: T,
  mean = 0,
  std = 1,
  low = -2,
  high = 2,
  options: InitOptions = {},
): T {
  checkOptions('truncNormal_', options, ['generator']);
  const { generator } = options;
  if (!(std > 0 && low < high))
    throw new TilegradError('ERR_ARGUMENT', `truncNormal_: needs std ${std} above 0 and low ${low} below high ${high}`);
  const { shape, device, dtype } = tensor;
  const [from, to] = [low, high].map((bound) => 2 * normalShare((bound - mean) / std) - 1) as [number, number];
  noGrad(() =>
    tidy(() => {
      // f64 keeps 1 - y^2 away from 0 in the tails; it is a CPU dtype.
      const y = clamp(uniform(shape, from, to, { dtype: 'f64', generator }), -1 + 1e-15, 1 - 1e-15);
      const values = clamp(add(mul(erfinv(y), std * Math.SQRT2), mean), low, high);
      assign(tensor, values.to({ dtype, device }));
    }),
  );
  return tensor;
}
