// The whole check of a checkout: format, lint, types, tests. With arguments only vitest runs, and takes them all.
import { performance } from 'node:perf_hooks';
import { checkClangFormat } from './format.mjs';
import { main, runPackage } from './process.mjs';
import { setup } from './setup.mjs';

const inherit = { stdio: 'inherit' };
const vitest = (args) => runPackage('vitest/vitest.mjs', ['run', ...args], inherit);

await main(async () => {
  await setup();
  const args = process.argv.slice(2);
  if (args.length > 0) return (await vitest(args)).code;
  const checks = [
    ['biome', () => runPackage('@biomejs/biome/bin/biome', ['check', '--error-on-warnings'], inherit)],
    ['clang-format', checkClangFormat],
    ['tsc', () => runPackage('typescript/bin/tsc', ['-p', 'tsconfig.check.json'], inherit)],
    ['vitest', () => vitest([])],
  ];
  const failed = [];
  for (const [name, check] of checks) {
    const start = performance.now();
    const { code, skipped } = await check();
    const verdict = skipped ? `skipped: ${skipped}` : code === 0 ? 'passed' : 'FAILED';
    console.log(`test: ${name} ${verdict} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    if (code !== 0) failed.push(name);
  }
  if (failed.length > 0) console.log(`test: ${failed.join(', ')} failed`);
  return failed.length > 0 ? 1 : 0;
});
