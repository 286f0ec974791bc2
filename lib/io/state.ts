import { constants } from 'node:buffer';
import { type Device, type DeviceName, placeOf } from '../device.ts';
import { dtypeBytes } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { native } from '../native.ts';
import { Tensor, upload } from '../tensor.ts';
import type { SafetensorsTensor } from './safetensors.ts';
import { SafetensorsFile, writeSafetensors } from './safetensors_file.ts';

/** Tensors by name, as `stateDict()` of a module gives them. */
export type StateDict = Record<string, Tensor>;

/** How `load` reads a file. */
export interface LoadOptions {
  /** Where the tensors go. Default: the default device. */
  readonly device?: Device | DeviceName | undefined;
  /** Only these tensors are read; a name that the file does not have throws. Default: all. */
  readonly names?: readonly string[] | undefined;
}

/**
 * Writes tensors by name, such as `model.stateDict()`, as a safetensors file that other libraries read too. The values
 * are those at the time of the call, whatever happens to the tensors before the promise resolves. The file appears whole or
 * not at all; an older one of that name is replaced. `metadata` is text that readers find in the header.
 * Throws `ERR_IO` naming the system's reason, `ERR_ARGUMENT` for what is no tensor, `ERR_UNSUPPORTED` for one of more bytes than
 * an array has (4 GiB in Node.js 20).
 */
export async function save(
  path: string,
  tensors: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
  options: { readonly metadata?: Readonly<Record<string, string>> | undefined } = {},
): Promise<void> {
  checkOptions('save', options, ['metadata']);
  const entries = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  // All reads are enqueued before the first is awaited, so that they see one moment of the training.
  for (const [name, tensor] of entries) checkSavable(name, tensor);
  const reads = entries.map(([, tensor]) => native.read(tensor._live('save').handle, false));
  const bytes = await Promise.all(reads);
  const packed = entries.map(([name, { dtype, shape }], i): [string, SafetensorsTensor] => [
    name,
    { dtype, shape, data: new Uint8Array(bytes[i] as ArrayBuffer) },
  ]);
  await writeSafetensors(path, packed, Object.entries(options.metadata ?? {}));
}

function checkSavable(name: string, tensor: unknown): void {
  if (!(tensor instanceof Tensor))
    throw new TilegradError('ERR_ARGUMENT', `save: ${JSON.stringify(name)} is not a tensor`);
  tensor._live('save');
  const bytes = tensor.numel * dtypeBytes[tensor.dtype];
  if (bytes > constants.MAX_LENGTH)
    throw new TilegradError(
      'ERR_UNSUPPORTED',
      `save: ${JSON.stringify(name)} has ${bytes} bytes but an array of this Node.js has at most ${constants.MAX_LENGTH}`,
    );
}

/**
 * Reads the tensors of a safetensors file, by name. Everything in the file is checked first; a damaged or hostile one
 * throws `ERR_FORMAT` with what was expected, one that cannot be read `ERR_IO`.
 */
export async function load(path: string, options: LoadOptions = {}): Promise<StateDict> {
  checkOptions('load', options, ['device', 'names']);
  const place = placeOf(options.device);
  const file = await SafetensorsFile.open(path);
  try {
    const state: StateDict = Object.create(null);
    for (const name of options.names ?? file.header.entries.keys()) {
      const { dtype, shape, data } = await file.read(name);
      state[name] = upload(data, shape, dtype, place);
    }
    return state;
  } finally {
    await file.close();
  }
}

/** The metadata of a safetensors file: texts by name, none where it has none. Throws as `load` does. */
export async function loadMetadata(path: string): Promise<Record<string, string>> {
  const file = await SafetensorsFile.open(path);
  await file.close();
  return Object.assign(Object.create(null), Object.fromEntries(file.header.metadata));
}
