// Checks the types of lib, test, bench and examples without writing anything.
import { main, runPackage } from './process.mjs';
import { installOnly } from './setup.mjs';

await main(async () => {
  await installOnly();
  const args = ['-p', 'tsconfig.check.json', ...process.argv.slice(2)];
  return (await runPackage('typescript/bin/tsc', args, { stdio: 'inherit' })).code;
});
