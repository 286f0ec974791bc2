// An empty folder into which the tarball is installed, with node and npm alone on the PATH and no script run, and the programs
// of test/consumer there.
import { copyFileSync, mkdirSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, runPackage, SetupError } from '../process.mjs';
import { findProgram } from '../toolchain.mjs';
import { otherNodes } from './tools.mjs';

const trained = { steps: 10, fell: true, shape: [64, 2] };
const surroundings = { main: 11, worker: 11, child: 11, context: 11 };

/** A folder that holds node, npm and npx, to be the whole PATH. */
function bareTools(work) {
  const folder = join(work, 'bin');
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const name of ['npm', 'npx']) symlinkSync(realpathSync(findProgram(name)), join(folder, name));
  return folder;
}

/** Runs a program in the consumer's folder and PATH; `expected` is the JSON that it has to print. */
async function expectOutput(consumer, name, command, args, expected) {
  const { code, output, stdout } = await run(command, args, { cwd: consumer.folder, env: consumer.env });
  let printed;
  try {
    printed = JSON.stringify(JSON.parse(stdout));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (code !== 0 || printed !== JSON.stringify(expected)) {
    throw new SetupError(
      `${name}: expected ${JSON.stringify(expected)} but it ended with ${code} and said\n${output.slice(-2000)}`,
    );
  }
  console.log(`  ${name}: ${printed}`);
}

/** Installs the tarball; gives `{ folder, env, expectOutput }`. */
export async function installPackage(work, tarball) {
  const folder = join(work, 'consumer');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  // The loader's variables of a checkout must not reach the installed package; npm starts programs through a shell.
  const env = { PATH: bareTools(work), npm_config_script_shell: '/bin/sh', TILEGRAD_ADDON: '', PREBUILDS_ONLY: '' };
  const args = ['install', tarball, '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  const { code, output } = await run('npm', args, { cwd: folder, env });
  if (code !== 0) throw new SetupError(`npm install failed:\n${output.trim()}`);
  for (const name of readdirSync(join(root, 'test', 'consumer'))) {
    copyFileSync(join(root, 'test', 'consumer', name), join(folder, name));
  }
  const consumer = { folder, env };
  return { ...consumer, expectOutput: (...rest) => expectOutput(consumer, ...rest) };
}

async function compile(consumer, file, module, out) {
  const types = join(root, 'node_modules', '@types');
  const options = ['--strict', '--target', 'es2022', '--types', 'node'];
  const args = [...options, '--typeRoots', types, '--module', ...module, '--outDir', out, join(consumer.folder, file)];
  const { code, output } = await runPackage('typescript/bin/tsc', args, { cwd: consumer.folder });
  if (code !== 0) throw new SetupError(`tsc of ${file} under ${module.join(' ')}:\n${output.trim()}`);
}

async function checkInfo(consumer) {
  const options = { cwd: consumer.folder, env: consumer.env };
  const { code, output, stdout } = await run('npx', ['tilegrad', 'info', '--json'], options);
  const info = code === 0 ? JSON.parse(stdout) : undefined;
  const installed = join(realpathSync(consumer.folder), 'node_modules', 'tilegrad', 'prebuilds');
  if (dirname(dirname(info?.addon ?? '')) !== installed) throw new SetupError(`npx tilegrad info:\n${output.trim()}`);
  console.log(`  npx tilegrad info: ${info.version}, ${info.platform}, ${info.devices[0].description}`);
}

/** ESM, CommonJS, TypeScript under both resolutions, the command line, and the same on every Node that is there. */
export async function runEverywhere(consumer, tools) {
  await compile(consumer, 'train.ts', ['nodenext'], 'nodenext');
  await compile(consumer, 'train.ts', ['esnext', '--moduleResolution', 'bundler'], 'bundler');
  await compile(consumer, 'types.cts', ['nodenext'], 'nodenext');
  await checkInfo(consumer);
  await consumer.expectOutput('types.cts', 'node', ['nodenext/types.cjs'], [1, 3]);
  for (const [name, program] of [[`node ${process.versions.node}`, 'node'], ...otherNodes(tools)]) {
    await consumer.expectOutput(`${name}, ESM of TypeScript`, program, ['nodenext/train.js'], trained);
    await consumer.expectOutput(`${name}, for a bundler`, program, ['bundler/train.js'], trained);
    await consumer.expectOutput(`${name}, CommonJS`, program, ['train.cjs'], trained);
    await consumer.expectOutput(`${name}, worker, child, vm`, program, ['surroundings.mjs'], surroundings);
  }
}
