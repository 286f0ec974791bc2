// Matrix products: square, few rows, transposed, batched, and the layers of small networks.
import {
  type DType,
  gelu,
  type LinearActivation,
  linear,
  matmul as multiply,
  relu,
  silu,
  type Tensor,
  tidy,
  transpose,
} from 'tilegrad';
import type { BenchRow, BenchSuite } from '../suite.ts';
import { randomTensor } from './inputs.ts';

/** The product (m, k) (k, n). */
export function product(
  m: number,
  k: number,
  n: number,
  options: { batch?: number; transposed?: boolean; dtype?: DType } = {},
) {
  const { batch = 1, transposed = false, dtype = 'f32' } = options;
  const lead = options.batch ? [batch] : [];
  const name = `${options.batch ? `${batch} x ` : ''}${m}x${k} ${k}x${n}${transposed ? ' transposed' : ''} ${dtype}`;
  return {
    name,
    // f64 has half the lanes: its multiply-adds count twice against the f32 peak.
    flops: 2 * batch * m * k * n * (dtype === 'f64' ? 2 : 1),
    bytes: batch * (m * k + k * n + m * n) * (dtype === 'f64' ? 8 : dtype === 'f32' ? 4 : 2),
    prepare: (device) => {
      const a = randomTensor([...lead, m, k], device, dtype);
      const b = randomTensor([...lead, ...(transposed ? [n, k] : [k, n])], device, dtype);
      return () => tidy(() => void multiply(a, transposed ? transpose(b) : b));
    },
    torch: { kind: 'matmul', m, k, n, transposed, dtype, ...(options.batch ? { batch } : {}) },
  } satisfies BenchRow;
}

/** A layer, with an activation in its epilogue or behind it. */
function layer(
  rows: number,
  inputs: number,
  outputs: number,
  options: { activation?: LinearActivation; behind?: boolean } = {},
): BenchRow {
  const { activation = null, behind = false } = options;
  const apart = { relu, gelu, gelu_tanh: (y: Tensor) => gelu(y, { approximate: 'tanh' }), silu };
  return {
    name: `linear ${rows}x${inputs} -> ${outputs}${activation ? `${behind ? ', then' : ' with'} ${activation}` : ''}`,
    flops: 2 * rows * inputs * outputs,
    bytes: 4 * (rows * inputs + inputs * outputs + rows * outputs),
    prepare: (device) => {
      const x = randomTensor([rows, inputs], device);
      const w = randomTensor([outputs, inputs], device);
      const b = randomTensor([outputs], device);
      if (activation && behind) return () => tidy(() => void apart[activation](linear(x, w, b)));
      return () => tidy(() => void linear(x, w, b, { activation }));
    },
    torch: { kind: 'linear', rows, inputs, outputs, ...(activation ? { activation } : {}) },
  };
}

export const matmul: BenchSuite = {
  name: 'matmul',
  rows: () => [
    ...[64, 128, 256, 512, 1024, 2048].map((n) => product(n, n, n)),
    product(1024, 1024, 1024, { transposed: true }),
    product(512, 512, 512, { dtype: 'f64' }),
    product(64, 1024, 1024),
    product(1, 4096, 4096),
    product(1, 4096, 4096, { transposed: true }),
    product(1, 4096, 4096, { dtype: 'bf16' }),
    product(1, 4096, 4096, { transposed: true, dtype: 'f16' }),
    product(4, 4096, 4096),
    product(16, 4096, 4096),
    product(16, 4096, 4096, { transposed: true }),
    product(16, 4096, 4096, { transposed: true, dtype: 'bf16' }),
    product(64, 64, 64, { batch: 64 }),
    layer(64, 256, 120),
    layer(64, 120, 84),
    layer(64, 84, 10),
    layer(64, 784, 128),
    ...(['gelu', 'silu'] as const).flatMap((activation) =>
      [true, false].map((behind) => layer(256, 512, 2048, { activation, behind })),
    ),
  ],
};
