// Does what a checkout still lacks: npm packages, the native addon, dist/, the compiled programs. Silent if nothing is to do.
//
//   node scripts/setup.mjs [--native] [--ts] [--programs] [--debug] [--sanitize LIST] [--emulated] [--out DIR] [--quiet]
//                          [--verbose]
//
// Environment: TILEGRAD_CUDA=AUTO|ON|OFF|EMULATED, TILEGRAD_CUDA_ARCHS (as cmake takes them), CXX, and
// TILEGRAD_NO_INSTALL=1, which takes node_modules as it lies there.
//
// Without --native or --ts both are built. --programs compiles examples/ and bench/ to build/ts. --debug, --sanitize
// and --emulated (CUDA on the CPU) build in folders of their own (build-debug ...), which TILEGRAD_ADDON then names to the loader.
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeEntries } from './entries.mjs';
import {
  digest,
  isMain,
  listFiles,
  main,
  readStamp,
  root,
  run,
  runPackage,
  SetupError,
  withLock,
  writeStamp,
} from './process.mjs';
import { checkToolchain, findCuda } from './toolchain.mjs';

const minimumNode = [20, 19];
const stamps = join(root, 'build', '.stamps');
const isTypeScript = (path) => path.endsWith('.ts');
const versionOf = (name) => JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;

/** Says on one line what a step did and how long it took. */
async function step(options, body) {
  const start = performance.now();
  const done = await body();
  if (done && !options.quiet) console.log(`setup: ${done} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < minimumNode[0] || (major === minimumNode[0] && minor < minimumNode[1])) {
    throw new SetupError(
      `Node.js ${process.versions.node} is older than ${minimumNode.join('.')}; install a newer one`,
    );
  }
}

/** Whether node_modules holds what package-lock.json says; packages for other platforms may be absent. */
function packagesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || (optional && !present[path]) || present[path]?.version === version,
  );
}

async function installPackages() {
  if (process.env.TILEGRAD_NO_INSTALL === '1' || packagesAreCurrent()) return undefined;
  const args = ['ci', '--prefer-offline', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const { code, output } = npm?.endsWith('.js') ? await run(process.execPath, [npm, ...args]) : await run('npm', args);
  if (code !== 0) throw new SetupError(`npm ci failed:\n${output.trim()}`);
  return 'npm packages installed';
}

const nativeInputs = () => ['CMakeLists.txt', ...listFiles(['cmake', 'native'])];

function nativePlan(options, cuda) {
  const kind = options.sanitize ? 'sanitize' : options.debug ? 'debug' : options.emulated ? 'emulated' : '';
  const out = join(root, options.out ?? (kind ? `build-${kind}` : 'build'));
  const config = options.debug ? 'Debug' : 'Release';
  const defines = {
    TILEGRAD_CUDA: cuda.mode,
    TILEGRAD_SANITIZE: options.sanitize ?? '',
    ...(cuda.nvcc ? { CMAKE_CUDA_COMPILER: cuda.nvcc } : {}),
    ...(process.env.TILEGRAD_CUDA_ARCHS ? { TILEGRAD_CUDA_ARCHS: process.env.TILEGRAD_CUDA_ARCHS } : {}),
  };
  const headers = ['node-addon-api', 'node-api-headers', 'cmake-js'].map(versionOf);
  const settings = JSON.stringify({ root, config, defines, headers, compiler: process.env.CXX ?? '' });
  return { out, config, defines, settings, addon: join(out, config, 'tilegrad.node'), stamp: join(out, '.stamp') };
}

/** Runs cmake-js; keeps what the compiler says and shows ninja's count on a terminal. */
async function cmakeJs(options, plan, command) {
  const args = [command, '--out', plan.out, '--config', plan.config];
  for (const [name, value] of Object.entries(plan.defines)) args.push(`--CD${name}=${value}`);
  const live = process.stderr.isTTY && !options.quiet && !options.verbose;
  const said = [];
  const onLine = (line) => {
    const progress = line.match(/^\[\s*(\d+)[/%](\d*)\]?/);
    if (!progress) said.push(line);
    else if (live)
      process.stderr.write(`\r\x1b[Ksetup: compiling ${line.slice(0, (process.stderr.columns || 80) - 20)}`);
  };
  const env = {
    CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()),
    // Lets checkouts that lie side by side share what ccache holds.
    CCACHE_BASEDIR: process.env.CCACHE_BASEDIR ?? dirname(root),
    CCACHE_NOHASHDIR: process.env.CCACHE_NOHASHDIR ?? '1',
  };
  const stdio = options.verbose ? 'inherit' : 'pipe';
  const { code, output } = await runPackage('cmake-js/bin/cmake-js', args, { onLine, env, stdio });
  if (live) process.stderr.write('\r\x1b[K');
  if (code !== 0) {
    const hint = plan.defines.TILEGRAD_CUDA === 'OFF' ? '' : ' (TILEGRAD_CUDA=OFF builds without CUDA)';
    const told = command === 'configure' ? output : said.filter((line) => !/^(INFO|ERROR OMG) /.test(line)).join('\n');
    throw new SetupError(`the native build failed${hint}${options.verbose ? '' : `:\n${told.trim()}`}`);
  }
  // Warnings of a successful build: what is neither progress nor cmake-js speaking of itself.
  const warnings = said.filter((line) => line && !/^(INFO|ninja: no work|npm )/.test(line));
  if (command === 'build' && warnings.some((line) => line.includes('warning'))) console.error(warnings.join('\n'));
}

const identity = (path) => (existsSync(path) ? `${statSync(path).size} ${statSync(path).mtimeMs}` : 'absent');

const describe = ({ mode, reason }) =>
  mode === 'EMULATED' ? 'CPU and emulated CUDA' : reason ? `CPU only: ${reason}` : 'CPU and CUDA';

async function buildNative(options) {
  if (options.emulated) process.env.TILEGRAD_CUDA = 'EMULATED';
  const cuda = await findCuda();
  const plan = nativePlan(options, cuda);
  const inputs = digest(nativeInputs(), plan.settings);
  if (existsSync(plan.addon) && readStamp(plan.stamp) === `${inputs} ${identity(plan.addon)}`) return undefined;
  await checkToolchain();
  const configured = join(plan.out, '.configured');
  const complete = ['build.ninja', 'Makefile'].some((file) => existsSync(join(plan.out, file)));
  if (!complete || readStamp(configured) !== plan.settings) {
    // A cache from other settings, or of a configuration that failed, would win over the new ones.
    rmSync(join(plan.out, 'CMakeCache.txt'), { force: true });
    rmSync(configured, { force: true });
    await cmakeJs(options, plan, 'configure');
    writeStamp(configured, plan.settings);
  }
  await cmakeJs(options, plan, 'build');
  writeStamp(plan.stamp, `${inputs} ${identity(plan.addon)}`);
  const where = plan.out === join(root, 'build') ? '' : ` in ${plan.addon}`;
  return `native addon built${where}, ${describe(cuda)}`;
}

async function tsc(project) {
  const { code, output } = await runPackage('typescript/bin/tsc', ['-p', project]);
  if (code !== 0) throw new SetupError(`tsc -p ${project} failed:\n${output.trim()}`);
}

async function buildTypeScript() {
  const sources = listFiles(['lib'], isTypeScript);
  const inputs = digest(['tsconfig.json', 'scripts/entries.mjs', ...sources], versionOf('typescript'));
  const stamp = join(stamps, 'ts');
  if (existsSync(join(root, 'dist', 'index.js')) && readStamp(stamp) === inputs) return undefined;
  rmSync(stamp, { force: true });
  await tsc('tsconfig.json');
  const emitted = new Set(sources.map((path) => path.replace(/^lib/, 'dist').replace(/\.ts$/, '')));
  for (const path of listFiles(['dist'])) {
    if (!emitted.has(path.replace(/\.(js|d\.ts)(\.map)?$/, ''))) rmSync(join(root, path));
  }
  writeEntries();
  writeStamp(stamp, inputs);
  return 'dist/ compiled';
}

async function buildPrograms() {
  const programs = listFiles(['bench', 'examples'], isTypeScript);
  if (programs.length === 0) return undefined;
  // Bench rows come from the samples of the tests.
  const sources = [...programs, ...listFiles(['test'], isTypeScript), 'tsconfig.json', 'tsconfig.programs.json'];
  const inputs = digest(sources, readStamp(join(stamps, 'ts')));
  const stamp = join(stamps, 'programs');
  if (existsSync(join(root, 'build', 'ts')) && readStamp(stamp) === inputs) return undefined;
  rmSync(stamp, { force: true });
  await tsc('tsconfig.programs.json');
  writeStamp(stamp, inputs);
  return 'examples/ and bench/ compiled';
}

const lock = join(root, 'build', '.setup.lock');

/** Installs the npm packages alone, for what needs no build. */
export async function installOnly(options = {}) {
  checkNode();
  await withLock(lock, () => step(options, installPackages));
}

/** Brings the checkout up to date; throws a SetupError that says what is missing. */
export async function setup(options = {}) {
  checkNode();
  await withLock(lock, async () => {
    await step(options, installPackages);
    if (options.native || !options.ts) await step(options, () => buildNative(options));
    if (options.ts || !options.native) await step(options, buildTypeScript);
    if (options.programs) await step(options, buildPrograms);
  });
}

if (isMain(import.meta)) {
  await main(async () => {
    const flag = { type: 'boolean' };
    const { values } = parseArgs({
      options: {
        native: flag,
        ts: flag,
        programs: flag,
        debug: flag,
        emulated: flag,
        quiet: flag,
        verbose: flag,
        sanitize: { type: 'string' },
        out: { type: 'string' },
      },
    });
    await setup(values);
  });
}
