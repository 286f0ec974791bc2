// Builds the addon as it is published, for every GPU from compute capability 8.0: prebuilds/<platform>-<arch>/tilegrad.node.
// Further arguments go to prebuildify, further cmake settings into TILEGRAD_CMAKE_DEFS. For arm64 on x86-64:
//   TILEGRAD_CMAKE_DEFS="CMAKE_TOOLCHAIN_FILE=$PWD/cmake/aarch64.cmake TILEGRAD_CUDA=OFF" \
//     npm run build:prebuilds -- --arch arm64 --strip-bin aarch64-linux-gnu-strip
import { join } from 'node:path';
import { main, root, runPackage } from './process.mjs';
import { installOnly } from './setup.mjs';
import { checkToolchain } from './toolchain.mjs';

// Code for the data-centre cards and PTX for the cards that none of it fits.
const releaseArchs = '80-real;80-virtual;90a-real;100-real;120';

await main(async () => {
  await installOnly();
  await checkToolchain();
  const defines = `TILEGRAD_CUDA_ARCHS=${releaseArchs} ${process.env.TILEGRAD_CMAKE_DEFS ?? ''}`;
  const args = ['--napi', '--strip', '--node-gyp', join(root, 'scripts/node-gyp-cmake.cjs'), ...process.argv.slice(2)];
  const options = { stdio: 'inherit', env: { TILEGRAD_CMAKE_DEFS: defines } };
  return (await runPackage('prebuildify/bin.js', args, options)).code;
});
