// Tries the package as its users get it: builds it, tests the published file, packs, installs the tarball with node and npm
// alone and without scripts, trains, bundles, and runs it on every supported Node.
//
//   npm run release:check [-- --cuda-archs 80-virtual] [--only linux-x64] [--no-build] [--keep]
//
// Without options the files are built for every GPU and platform, dozens of minutes of processor time, and the suite runs;
// --cuda-archs and --only go to build:prebuilds, and with one of them the values of the operations stand for the suite.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { main, root, run, runPackage, SetupError } from './process.mjs';
import { checkBundles } from './release/bundles.mjs';
import { installPackage, runEverywhere } from './release/consumer.mjs';
import { installTools, lintPackage } from './release/tools.mjs';
import { setup } from './setup.mjs';
import { olderNode } from './sysroot.mjs';

async function npmRun(name, args = []) {
  const { code } = await run('npm', ['run', '--silent', name, '--', ...args], { stdio: 'inherit' });
  if (code !== 0) throw new SetupError(`npm run ${name} failed`);
}

const host = `${process.platform}-${process.arch}`;

/** The published file computes what the tests ask: all of them, and on the libraries of an older Linux the values. */
async function testPublished(quick) {
  const addon = { TILEGRAD_ADDON: join(root, 'prebuilds', host, 'tilegrad.node') };
  const vitest = (args, env) => runPackage('vitest/vitest.mjs', ['run', ...args], { stdio: 'inherit', env });
  if (!quick && (await vitest([], addon)).code !== 0) throw new SetupError('the suite failed');
  const node = process.platform === 'linux' ? await olderNode() : process.execPath;
  const { stdout } = await run(node, ['-p', 'process.report.getReport().header.glibcVersionRuntime']);
  console.log(`  glibc ${stdout.trim()}`);
  const env = { ...addon, TILEGRAD_TEST_NODE: node, TILEGRAD_TEST_ASPECTS: 'values', TILEGRAD_TEST_REPORT: '' };
  if ((await vitest(['test/ops.test.ts'], env)).code !== 0) throw new SetupError('the tests failed');
}

async function pack(folder) {
  const { code, output } = await run('npm', ['pack', '--silent', '--pack-destination', folder]);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (code !== 0 || !tarball) throw new SetupError(`npm pack failed:\n${output.trim()}`);
  const size = statSync(join(folder, tarball)).size;
  console.log(`  ${tarball}: ${(size / 1e6).toFixed(2)} MB`);
  return join(folder, tarball);
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      'cuda-archs': { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      'no-build': { type: 'boolean' },
      keep: { type: 'boolean' },
    },
  });
  const step = async (name, body) => {
    const start = performance.now();
    console.log(`release: ${name}`);
    const result = await body();
    console.log(`release: ${name}: passed (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    return result;
  };
  const quick = values['cuda-archs'] !== undefined || values.only.length > 0 || Boolean(values['no-build']);
  const buildArgs = values.only.flatMap((platform) => ['--only', platform]);
  if (values['cuda-archs']) buildArgs.push('--cuda-archs', values['cuda-archs']);
  const work = mkdtempSync(join(tmpdir(), 'tilegrad-release-'));
  mkdirSync(join(work, 'package'));
  try {
    if (values['no-build']) await step('the prebuilt files', () => npmRun('check:prebuilds'));
    else await step('build', () => npmRun('build:prebuilds', buildArgs));
    if (!existsSync(join(root, 'prebuilds', host))) throw new SetupError(`there is no prebuilt file for ${host}`);
    await step('dist/', () => setup({ ts: true, quiet: true }));
    await step(quick ? 'the values of the operations' : 'the suite, and the values of the operations', () =>
      testPublished(quick),
    );
    const tarball = await step('pack', () => pack(join(work, 'package')));
    const tools = await step('tools', installTools);
    await step('publint and attw', () => lintPackage(tools, tarball));
    const consumer = await step('install with node and npm alone', () => installPackage(work, tarball));
    await step('train, in every kind of module and every Node', () => runEverywhere(consumer, tools));
    await step('bundles', () => checkBundles(consumer, tools));
  } finally {
    if (values.keep) console.log(`release: kept ${work}`);
    else rmSync(work, { recursive: true, force: true });
  }
  console.log('release: everything passed');
});
