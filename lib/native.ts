// The only file that loads the addon.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { givenAddon } from './addon.ts';
import { TilegradError } from './error.ts';
import { loadError } from './load_error.ts';

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
  /** Whether there is a kernel for the CPU; an op without any gives views. */
  cpu: boolean;
  /** Whether there is one for CUDA: for no op in a build without nvcc. */
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

/** Memory of a device in bytes, and the tensors that this thread holds on all devices. */
export interface NativeMemory {
  liveBytes: number;
  cachedBytes: number;
  peakBytes: number;
  /** Of forms of weights, and on CUDA of images, that kernels have packed and keep. */
  packedBytes: number;
  limitBytes: number;
  liveBuffers: number;
  liveTensors: number;
}

/** The addon's functions; native/binding/addon.cc says what each takes and returns. */
export interface NativeBinding {
  /** Without an argument the command is {@link command}. */
  run(command?: Float64Array): number;
  /** The command of the addon's own, which it reads without asking for it; undefined where no memory may be shared. */
  command?: Float64Array;
  upload(command: Float64Array, data: ArrayBufferView | ArrayBufferLike): number;
  release(handle: number): boolean;
  /** The first `count` handles of the list. */
  releaseAll(handles: Float64Array, count: number): void;
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

/** The folder of the package; undefined in a bundle, whose code lies elsewhere. */
function packageFolder(): string | undefined {
  if (!import.meta.url) return undefined;
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const manifest = `${folder}package.json`;
  if (!existsSync(manifest)) return undefined;
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'tilegrad' ? folder : undefined;
}

/** The platforms of which the package holds a prebuilt file. */
function prebuiltIn(root: string): string[] {
  const folder = `${root}prebuilds`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((platform) => existsSync(`${folder}/${platform}/tilegrad.node`));
}

function load(): Found {
  const given = givenAddon();
  if (given) return { binding: given.binding as NativeBinding, file: given.file };
  const chosen = process.env.TILEGRAD_ADDON || undefined;
  const root = packageFolder();
  try {
    if (chosen === undefined && root === undefined) throw new Error('no package.json of tilegrad lies beside the code');
    const require = createRequire(`${root ?? `${process.cwd()}/`}package.json`);
    const file = chosen ? resolve(chosen) : (require('node-gyp-build') as { path(folder: string): string }).path(root!);
    return { binding: require(file) as NativeBinding, file };
  } catch (cause) {
    throw loadError({
      platform: `${process.platform}-${process.arch}`,
      libc: libc(),
      node: process.versions.node,
      chosen,
      root,
      checkout: root !== undefined && existsSync(`${root}CMakeLists.txt`),
      prebuilt: root === undefined ? [] : prebuiltIn(root),
      cause,
    });
  }
}

const found = load();
export const native: NativeBinding = found.binding;
/** The file that the addon was loaded from. */
export const addonFile: string = found.file;
native.setErrorClass(TilegradError);
