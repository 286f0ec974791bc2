// Tensors of one value.
import { placeOf } from '../device.ts';
import { checkOptions } from '../error.ts';
import { defineOp } from '../op.ts';
import { type Shape, type Tensor, type TensorOptions, tensorOptions } from '../tensor.ts';
import type { Known } from '../typed_shapes.ts';
import { expectShape } from './arguments.ts';

/** A tensor of `shape` filled with `value`; dtype f32 on the default device. As torch.full. */
export const full = defineOp('full', {
  call:
    (run) =>
    <const S extends Shape>(shape: S, value: number, options: TensorOptions = {}): Tensor<Known<S>> => {
      checkOptions('full', options, tensorOptions);
      const made = run([], { shape, value, dtype: options.dtype ?? 'f32' }, placeOf(options.device));
      if (options.requiresGrad) made.requiresGrad = true;
      return made;
    },
  grad: 'none',
  onnx: (graph, { outputMeta, attrs }) =>
    graph.node('ConstantOfShape', [graph.constant(outputMeta[0]?.shape ?? [], 'i64')], {
      value: attrs.value as number,
    }),
});

/** A tensor of zeros. As torch.zeros. */
export function zeros<const S extends Shape>(shape: S, options?: TensorOptions): Tensor<Known<S>> {
  expectShape('zeros', shape);
  return full(shape, 0, options);
}

/** A tensor of ones. As torch.ones. */
export function ones<const S extends Shape>(shape: S, options?: TensorOptions): Tensor<Known<S>> {
  expectShape('ones', shape);
  return full(shape, 1, options);
}

/** Zeros with the shape, dtype and device of `x`. As torch.zeros_like. */
export function zerosLike<S extends Shape>(x: Tensor<S>, options?: TensorOptions): Tensor<S> {
  return full(x.shape, 0, { dtype: x.dtype, device: x.device, ...options });
}

/** Ones with the shape, dtype and device of `x`. As torch.ones_like. */
export function onesLike<S extends Shape>(x: Tensor<S>, options?: TensorOptions): Tensor<S> {
  return full(x.shape, 1, { dtype: x.dtype, device: x.device, ...options });
}
