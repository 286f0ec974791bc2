// Builds the addon as it is published: prebuilds/<platform>-<arch>/tilegrad.node, and checks each file
// (check-prebuilds.mjs).
//
//   npm run build:prebuilds [-- --only linux-x64] [--cuda-archs 80-virtual]
//
// On linux-x64 this makes linux-x64 (CPU and CUDA) and linux-arm64 (CPU, with Debian's g++-aarch64-linux-gnu), both linked
// against an older C library; elsewhere the file of the machine that it runs on, for the CPU. --cuda-archs takes what cmake
// takes; the default is all that is published, dozens of minutes of processor time, and 'none' leaves CUDA out.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkPrebuilds } from './check-prebuilds.mjs';
import { main, root, runPackage, SetupError } from './process.mjs';
import { installOnly } from './setup.mjs';
import { sysroot } from './sysroot.mjs';
import { checkToolchain, findCuda, findProgram } from './toolchain.mjs';

// Machine code for each generation (that for 8.0 runs on 8.6 and 8.9) and PTX, which the driver compiles, for what comes later.
// Code is about 1.3 times the PTX's 3 MB for each, so every further one costs 4 of the 30 MB that a file may have packed.
const releaseArchs = '75-real;80;90a-real;100-real;120-real';

const host = `${process.platform}-${process.arch}`;
const crossCompiler = { 'linux-arm64': 'aarch64-linux-gnu' };

/** The cmake settings of a platform. */
async function settings(platform, cudaArchs) {
  const [system, arch] = platform.split('-');
  const cross = platform !== host;
  const defines = [];
  if (cross) defines.push(`CMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'aarch64.cmake')}`);
  if (system === 'linux') defines.push(`TILEGRAD_SYSROOT=${await sysroot(arch)}`);
  if (system === 'win32') defines.push('CMAKE_CXX_COMPILER=clang-cl');
  if (cross || platform !== 'linux-x64' || cudaArchs === 'none') return [...defines, 'TILEGRAD_CUDA=OFF'];
  process.env.TILEGRAD_CUDA ??= 'ON';
  const { mode, nvcc } = await findCuda();
  defines.push(`TILEGRAD_CUDA=${mode}`, `TILEGRAD_CUDA_ARCHS=${cudaArchs}`);
  return nvcc ? [...defines, `CMAKE_CUDA_COMPILER=${nvcc}`] : defines;
}

async function build(platform, cudaArchs) {
  const [system, arch] = platform.split('-');
  const prefix = platform === host ? undefined : crossCompiler[platform];
  if (platform !== host && !(prefix && process.platform === system)) {
    throw new SetupError(`${platform} cannot be built on ${host}`);
  }
  if (prefix && !findProgram(`${prefix}-g++`)) {
    throw new SetupError(`${prefix}-g++ was not found; install it with: apt-get install g++-${prefix}`);
  }
  // As deep below the root as build/, so that ccache gives what was compiled there.
  const stage = join(root, `build-prebuild-${platform}`, 'stage');
  mkdirSync(stage, { recursive: true });
  writeFileSync(join(stage, 'package.json'), '{ "name": "tilegrad" }\n');
  const args = ['--cwd', stage, '--out', root, '--napi', '--platform', system, '--arch', arch, '--strip'];
  if (prefix) args.push('--strip-bin', `${prefix}-strip`);
  const shim = join(root, 'scripts', 'node-gyp-cmake.cjs');
  args.push('--node-gyp', process.platform === 'win32' ? `"${process.execPath}" "${shim}"` : shim);
  const env = {
    TILEGRAD_CMAKE_DEFS: (await settings(platform, cudaArchs)).join('\n'),
    CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()),
    CCACHE_BASEDIR: process.env.CCACHE_BASEDIR ?? dirname(root),
    CCACHE_NOHASHDIR: process.env.CCACHE_NOHASHDIR ?? '1',
  };
  const { code } = await runPackage('prebuildify/bin.js', args, { stdio: 'inherit', env });
  if (code !== 0) throw new SetupError(`${platform} was not built`);
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      'cuda-archs': { type: 'string', default: releaseArchs },
    },
  });
  await installOnly();
  await checkToolchain();
  const platforms = values.only ?? (host === 'linux-x64' ? [host, 'linux-arm64'] : [host]);
  for (const platform of platforms) await build(platform, values['cuda-archs']);
  return checkPrebuilds(platforms);
});
