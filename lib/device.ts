// Devices by name: 'cpu', 'cuda', 'cuda:1', 'auto'.
import { checkOptions, TilegradError } from './error.ts';
import { type DeviceInfo, type NativeMemory as Memory, native } from './native.ts';

/** A device as users name it. 'cuda' is 'cuda:0'; 'auto' is the first GPU, or the CPU where there is none. */
export type DeviceName = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

export type { DeviceInfo, NativeMemory as Memory } from './native.ts';

/** A place where tensors live and ops run, with one in-order stream. */
export class Device {
  readonly name: string;
  /** 0 is the CPU, 1 + i is cuda:i. */
  readonly index: number;

  constructor(name: string, index: number) {
    this.name = name;
    this.index = index;
  }

  /** Resolves when all work enqueued on this device so far is done; rejects with the first error of that work. */
  sync(): Promise<void> {
    return native.sync(this.index);
  }

  /** Like {@link sync}, but blocks the thread and with it the event loop. */
  syncBlocking(): void {
    native.syncBlocking(this.index);
  }

  /** Live, cached, peak and packed bytes of this device, its limit, and the number of live tensors. */
  memory(): Memory {
    return native.memory(this.index);
  }

  /** Limits live, cached and packed bytes of this device together; beyond it, allocations throw ERR_OOM. */
  setMemoryLimit(bytes: number): void {
    native.memoryControl(this.index, 'limit', bytes);
  }

  /** Waits for the device and gives cached memory and packed weights back to the system. */
  trimMemory(): void {
    native.memoryControl(this.index, 'trim');
  }

  /** Makes `peakBytes` start again from the bytes that are live now. */
  resetPeakMemory(): void {
    native.memoryControl(this.index, 'resetPeak');
  }

  /** Its name, as `device()` takes it. */
  toString(): string {
    return this.name;
  }
}

export const cpu = new Device('cpu', 0);
const interned: Device[] = [cpu];
let saidFallback = false;

function intern(index: number): Device {
  let device = interned[index];
  if (!device) {
    device = new Device(index === 0 ? 'cpu' : `cuda:${index - 1}`, index);
    interned[index] = device;
  }
  return device;
}

/** The devices of this machine, also those that are absent, with the reason. */
export function devices(): DeviceInfo[] {
  return native.devices();
}

/** True if at least one CUDA device can be used. */
export function cudaIsAvailable(): boolean {
  return devices().some((d) => d.available && d.name.startsWith('cuda'));
}

/**
 * The device of that name. Asking for an absent one throws ERR_DEVICE with the reason; 'auto' falls back to the CPU
 * and says so once on stderr.
 */
export function device(name: DeviceName | Device): Device {
  if (name instanceof Device) return name;
  if (name === 'cpu') return cpu;
  if (name === 'auto') {
    const found = devices().find((d) => d.available && d.name.startsWith('cuda:'));
    if (found) return device(found.name as DeviceName);
    if (!saidFallback) {
      saidFallback = true;
      const why = devices().find((d) => d.name.startsWith('cuda'))?.reason ?? 'no CUDA device';
      process.stderr.write(`tilegrad: running on the CPU (${why})\n`);
    }
    return cpu;
  }
  const match = /^cuda(?::(\d{1,3}))?$/.exec(String(name));
  if (!match)
    throw new TilegradError('ERR_DEVICE', `unknown device '${String(name)}'; use 'cpu', 'cuda', 'cuda:1' or 'auto'`);
  const index = 1 + Number(match[1] ?? 0);
  native.memory(index); // throws with the reason if it is absent
  return intern(index);
}

let chosenDefault: Device | undefined;

/**
 * Where tensors are made when no device is named: what {@link setDefaultDevice} set, else $TILEGRAD_DEVICE, else the CPU.
 * As torch.get_default_device.
 */
export function getDefaultDevice(): Device {
  chosenDefault ??= device((process.env.TILEGRAD_DEVICE || 'cpu') as DeviceName);
  return chosenDefault;
}

/**
 * Makes `name` the device of tensors for which none is named, in this thread. Throws ERR_DEVICE with the reason if it is
 * absent. As torch.set_default_device.
 */
export function setDefaultDevice(name: DeviceName | Device): void {
  chosenDefault = device(name);
}

/** The device that is named, or the default one. @internal */
export const placeOf = (name: DeviceName | Device | undefined): Device =>
  name === undefined ? getDefaultDevice() : device(name);

/** Memory of one device, the default device if none is named. */
export function memory(name?: DeviceName | Device): Memory {
  return placeOf(name).memory();
}

/** The number of threads that CPU kernels use. */
export function getNumThreads(): number {
  return native.threads();
}

/** Sets the number of threads that CPU kernels use, at least 1. Results do not depend on it. */
export function setNumThreads(count: number): void {
  native.threads(count);
}

/**
 * What this processor can do at most with the current number of threads, measured in about 0.3 s during which the
 * thread is blocked: f32 operations per second (a multiply-add is two), bytes per second of a triad over memory, and
 * the instruction set that kernels use. Without `memory` (default: true) it takes 0.01 s and `bytes` is 0.
 */
export function measurePeak(options: { memory?: boolean | undefined } = {}): {
  flops: number;
  bytes: number;
  isa: string;
} {
  checkOptions('measurePeak', options, ['memory']);
  return native.measurePeak(options.memory ?? true);
}
