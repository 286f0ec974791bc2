// Inputs of the suites.
import { type Device, type DType, type Shape, type Tensor, tensor } from 'tilegrad';

/** Uniform values in [-1, 1) from a fixed seed. */
export function randomTensor(shape: Shape, device: Device, dtype: DType = 'f32'): Tensor {
  const values = new Float64Array(shape.reduce((n, size) => n * size, 1));
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  const data = dtype === 'f64' ? values : Float32Array.from(values);
  return tensor(data, { shape, dtype, device });
}
