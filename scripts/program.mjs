// Sets the checkout up, compiles examples/ and bench/, and runs one of them: node scripts/program.mjs NAME [ARGS].
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run, SetupError } from './process.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const [name, ...args] = process.argv.slice(2);
  const program = join(root, 'build', 'ts', `${name}.js`);
  await setup({ programs: true });
  if (!existsSync(program)) throw new SetupError(`${name}.ts does not exist`);
  return (await run(process.execPath, [program, ...args], { stdio: 'inherit' })).code;
});
