// Moving tensors between devices and dtypes.
import { Device, type DeviceName, device as deviceOf } from '../device.ts';
import { type DType, dtypes } from '../dtype.ts';
import { checkOptions } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { cast } from './cast.ts';

const transfer = defineOp('to', {
  call: (run) => (x: Tensor, device: Device) => run([x], { device: device.name }),
  compute: ([x], { device }) => (x as Tensor)._transfer(deviceOf(device as DeviceName)),
  grad: (ctx, dout): Grads => [to(dout, ctx.inputMeta(0).device)],
  onnx: 'Identity',
});

/** A dtype, a device, or both. */
export type ToTarget =
  | DType
  | DeviceName
  | Device
  | { dtype?: DType | undefined; device?: DeviceName | Device | undefined };

/**
 * The tensor with a dtype ({@link cast}), on a device, or both; itself where nothing changes. A copy between devices
 * blocks until the source is computed. As torch.Tensor.to.
 */
export function to<S extends Shape>(x: Tensor<S>, target: ToTarget): Tensor<S> {
  let dtype: DType | undefined;
  let place: DeviceName | Device | undefined;
  if (typeof target === 'object' && target !== null && !(target instanceof Device)) {
    checkOptions('to', target, ['dtype', 'device']);
    ({ dtype, device: place } = target);
  } else if ((dtypes as readonly unknown[]).includes(target)) {
    dtype = target as DType;
  } else {
    place = target as DeviceName | Device;
  }
  const device = place === undefined ? x.device : deviceOf(place);
  // The narrower side of a cast is what travels; the source's device computes it.
  const converted = dtype === undefined ? x : cast(x, dtype);
  return device === x.device ? converted : transfer(converted, device);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link to}. */
    to(target: ToTarget): Tensor<S>;
  }
}

Tensor.prototype.to = function (target) {
  return to(this, target);
};
