// The only file that loads the addon.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { TilegradError } from './error.ts';

export interface NativeAttr {
  name: string;
  type: 'integer' | 'number' | 'boolean' | 'choice' | 'dtype' | 'integers';
  choices: string;
}

export interface NativeOp {
  name: string;
  minInputs: number;
  maxInputs: number;
  inPlace: boolean;
  cuda: boolean;
  attrs: NativeAttr[];
}

/** One line of {@link devices}: what there is, and why something is not. */
export interface DeviceInfo {
  name: string;
  available: boolean;
  /** Processor features and threads, or the GPU's name. */
  description: string;
  /** Why the device is absent; empty if it is available. */
  reason: string;
  memoryBytes: number;
}

export interface NativeMemory {
  liveBytes: number;
  cachedBytes: number;
  peakBytes: number;
  limitBytes: number;
  liveBuffers: number;
  liveTensors: number;
}

/** The addon's functions; native/binding/addon.cc says what each takes and returns. */
export interface NativeBinding {
  run(command: Float64Array): number;
  upload(command: Float64Array, data: ArrayBufferView | ArrayBufferLike): number;
  release(handle: number): boolean;
  describe(handle: number, command: Float64Array): void;
  read(handle: number, widen: boolean): Promise<ArrayBuffer>;
  readSync(handle: number, widen: boolean): ArrayBuffer;
  sync(device: number): Promise<void>;
  syncBlocking(device: number): void;
  transfer(handle: number, device: number): number;
  memory(device: number): NativeMemory;
  memoryControl(device: number, action: 'limit' | 'trim' | 'resetPeak', bytes?: number): void;
  devices(): DeviceInfo[];
  threads(count?: number): number;
  measurePeak(memory: boolean): { flops: number; bytes: number; isa: string };
  ops(): NativeOp[];
  setErrorClass(errorClass: typeof TilegradError): void;
  dtypes: string[];
}

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));

/** The C library of this system: 'glibc 2.36', 'musl', or '' where there is no choice. */
export function libc(): string {
  if (process.platform !== 'linux') return '';
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const glibc = report?.header?.glibcVersionRuntime;
  return glibc ? `glibc ${glibc}` : 'musl';
}

interface Found {
  binding: NativeBinding;
  /** The file that was loaded. */
  file: string;
}

function load(): Found {
  const chosen = process.env.TILEGRAD_ADDON;
  try {
    const file = chosen ?? (require('node-gyp-build') as { path(folder: string): string }).path(root);
    return { binding: require(file) as NativeBinding, file };
  } catch (cause) {
    const checkout = existsSync(fileURLToPath(new URL('../CMakeLists.txt', import.meta.url)));
    const remedy = chosen
      ? 'TILEGRAD_ADDON names the file: check that it exists and was built for this platform'
      : checkout
        ? 'this is a source checkout: run "npm run build"'
        : 'reinstall the package: npm install tilegrad; if node_modules was copied from another platform, install it anew';
    throw new TilegradError(
      'ERR_UNSUPPORTED',
      `tilegrad's native addon could not be loaded on ${[`${process.platform}-${process.arch}`, libc()].filter(Boolean).join(', ')}, Node ${process.versions.node}. ` +
        `Looked in ${chosen ?? `${root}build/Release and ${root}prebuilds/${process.platform}-${process.arch}`}. ` +
        `To mend it: ${remedy}. Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

const found = load();
export const native: NativeBinding = found.binding;
/** The file that the addon was loaded from. */
export const addonFile: string = found.file;
native.setErrorClass(TilegradError);
