// Checks the compiler, cmake and nvcc before a native build, and says what to install.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run, SetupError } from './process.mjs';

const minimumCmake = [3, 22];
// C++20 as the sources use it; nvcc 12 is the first that takes C++20.
const minimumCompiler = { g: 12, clang: 15 };
const minimumNvcc = 12;

const packages = {
  'apt-get install': { cmake: 'cmake', compiler: 'g++', make: 'ninja-build' },
  'dnf install': { cmake: 'cmake', compiler: 'gcc-c++', make: 'ninja-build' },
  'apk add': { cmake: 'cmake', compiler: 'g++', make: 'ninja' },
  'pacman -S': { cmake: 'cmake', compiler: 'gcc', make: 'ninja' },
  'brew install': { cmake: 'cmake', compiler: 'gcc', make: 'ninja' },
};

export function findProgram(name) {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder && existsSync(join(folder, file))) return join(folder, file);
  }
  return undefined;
}

function installHint(what) {
  const installer = Object.keys(packages).find((command) => findProgram(command.split(' ')[0])) ?? 'apt-get install';
  return `install it with: ${installer} ${packages[installer][what]}`;
}

async function checkCmake() {
  const { code, output } = await run('cmake', ['--version']);
  if (code === 127) throw new SetupError(`cmake was not found; ${installHint('cmake')}`);
  const version = output.match(/cmake version (\d+)\.(\d+)/);
  if (code !== 0 || !version) throw new SetupError(`cmake does not run; ${installHint('cmake')}`);
  const [major, minor] = [Number(version[1]), Number(version[2])];
  if (major < minimumCmake[0] || (major === minimumCmake[0] && minor < minimumCmake[1])) {
    throw new SetupError(`cmake ${major}.${minor} is older than ${minimumCmake.join('.')}; install a newer one`);
  }
}

async function checkCompiler() {
  // There clang-cl compiles, which cmake finds and judges.
  if (process.platform === 'win32') return;
  const [chosen, ...options] = process.env.CXX?.trim().split(/\s+/) ?? [];
  const compiler = chosen ?? ['c++', 'g++', 'clang++'].find(findProgram);
  const missing = chosen ? `the C++ compiler ${chosen} (from CXX)` : 'a C++ compiler';
  if (!compiler) throw new SetupError(`${missing} was not found; ${installHint('compiler')}`);
  const { code, output } = await run(compiler, [...options, '-dM', '-E', '-x', 'c++', '/dev/null']);
  if (code === 127) throw new SetupError(`${missing} was not found; ${installHint('compiler')}`);
  const macro = (name) => Number(output.match(new RegExp(`#define ${name} (\\d+)`))?.[1] ?? 0);
  // Apple numbers its clang otherwise; cmake judges it.
  if (code !== 0 || output.includes('__apple_build_version__')) return;
  const [kind, name, version] = macro('__clang_major__')
    ? ['clang', 'clang', macro('__clang_major__')]
    : ['g', 'g++', macro('__GNUC__')];
  if (version < minimumCompiler[kind]) {
    throw new SetupError(`${name} ${version} is older than ${minimumCompiler[kind]}; install a newer one`);
  }
}

/** Throws a SetupError with the package to install if the native build cannot start. */
export async function checkToolchain() {
  await checkCmake();
  await checkCompiler();
  if (!['ninja', 'make', 'gmake'].some(findProgram)) {
    throw new SetupError(`neither ninja nor make was found; ${installHint('make')}`);
  }
}

/**
 * What the build does about CUDA: `{ mode, nvcc, reason }`, where mode is the cmake setting TILEGRAD_CUDA.
 * The environment variable of that name (AUTO, ON, OFF, EMULATED; default AUTO) decides; nvcc is looked for as cmake
 * does. EMULATED compiles the CUDA kernels for the emulator, which needs the toolkit's headers alone.
 */
export async function findCuda() {
  const wanted = (process.env.TILEGRAD_CUDA ?? 'AUTO').toUpperCase();
  if (!['AUTO', 'ON', 'OFF', 'EMULATED'].includes(wanted)) {
    throw new SetupError(`TILEGRAD_CUDA must be AUTO, ON, OFF or EMULATED but is ${process.env.TILEGRAD_CUDA}`);
  }
  if (wanted === 'EMULATED') return { mode: 'EMULATED' };
  if (wanted === 'OFF') return { mode: 'OFF', reason: 'TILEGRAD_CUDA is OFF' };
  const { CUDACXX, CUDA_PATH, CUDA_HOME } = process.env;
  const folders = [CUDA_PATH, CUDA_HOME].filter(Boolean).map((folder) => join(folder, 'bin'));
  const nvcc =
    CUDACXX ??
    folders.map((folder) => join(folder, 'nvcc')).find(existsSync) ??
    findProgram('nvcc') ??
    ['/usr/local/cuda/bin/nvcc'].find(existsSync);
  const { code, output } = nvcc ? await run(nvcc, ['--version']) : { code: 127, output: '' };
  const version = Number(output.match(/release (\d+)/)?.[1] ?? 0);
  let reason;
  if (code !== 0) reason = nvcc ? `${nvcc} does not run` : 'nvcc was not found';
  else if (version < minimumNvcc) reason = `nvcc ${version} is older than ${minimumNvcc}`;
  if (!reason) return { mode: 'ON', nvcc };
  if (wanted === 'ON') throw new SetupError(`TILEGRAD_CUDA is ON but ${reason}; install the CUDA toolkit`);
  return { mode: 'OFF', reason };
}
