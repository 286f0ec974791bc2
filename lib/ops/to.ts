// Moving tensors between devices.
import { type Device, type DeviceName, device as deviceOf } from '../device.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';

const transfer = defineOp('to', {
  call: (run) => (x: Tensor, device: Device) => run([x], { device: device.name }),
  compute: ([x], { device }) => (x as Tensor)._transfer(deviceOf(device as DeviceName)),
  grad: (ctx, dout): Grads => [to(dout, ctx.inputMeta(0).device)],
  onnx: 'Identity',
});

/** The tensor on `device`: itself if it is there, else a copy. Blocks until the source is computed. As torch.Tensor.to. */
export function to(x: Tensor, device: DeviceName | Device): Tensor {
  const place = deviceOf(device);
  return place === x.device ? x : transfer(x, place);
}

declare module '../tensor.ts' {
  interface Tensor {
    /** {@link to}. */
    to(device: DeviceName | Device): Tensor;
  }
}

Tensor.prototype.to = function (device) {
  return to(this, device);
};
