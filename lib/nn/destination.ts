// Where `to` moves a module: a device, a dtype, or both.
import { Device, type DeviceName, device as deviceOf } from '../device.ts';
import { type DType, dtypes } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { to } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';

export interface Destination {
  readonly device?: Device | DeviceName | undefined;
  readonly dtype?: DType | undefined;
}

/** Tells dtypes from devices by name. @internal */
export function destination(user: string, target: Device | DeviceName | DType | Destination | undefined): Destination {
  if (target instanceof Device) return { device: target };
  if (typeof target === 'string')
    return dtypes.includes(target as DType) ? { dtype: target as DType } : { device: deviceOf(target as DeviceName) };
  if (typeof target !== 'object' || target === null)
    throw new TilegradError('ERR_ARGUMENT', `${user}: expected a device, a dtype or { device, dtype }, got ${target}`);
  checkOptions(user, target, ['device', 'dtype']);
  return target;
}

/** The tensor in that dtype and on that device; itself if it is so already. @internal */
export function convert(tensor: Tensor, { device, dtype }: Destination): Tensor {
  if (dtype !== undefined && dtype !== tensor.dtype)
    throw new TilegradError('ERR_UNSUPPORTED', `to: no cast from ${tensor.dtype} to ${dtype} yet`);
  return device === undefined ? tensor : to(tensor, device);
}
