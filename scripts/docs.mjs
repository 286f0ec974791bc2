// npm run docs: the API reference and the pages of docs/ as a site in build/reference. typedoc brings a TypeScript of its
// own (docs/package.json), since it does not work with the one that compiles the library.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run, SetupError } from './process.mjs';
import { installOnly } from './setup.mjs';

const folder = join(root, 'docs');

/** Whether docs/node_modules holds what docs/package-lock.json says. */
function isInstalled() {
  const lists = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => join(folder, name));
  if (!lists.every(existsSync)) return false;
  const [wanted, present] = lists.map((file) => JSON.parse(readFileSync(file, 'utf8')).packages);
  return Object.entries(wanted).every(([path, { version }]) => path === '' || present[path]?.version === version);
}

await main(async () => {
  // The types of Node come from the packages of the library.
  await installOnly();
  if (!isInstalled()) {
    const args = ['ci', '--prefer-offline', '--no-audit', '--no-fund'];
    const { code, output } = await run('npm', args, { cwd: folder });
    if (code !== 0) throw new SetupError(`npm ci in docs/ failed:\n${output.trim()}`);
  }
  const program = join(folder, 'node_modules', 'typedoc', 'bin', 'typedoc');
  const args = [program, '--options', 'typedoc.json', ...process.argv.slice(2)];
  const { code } = await run(process.execPath, args, { cwd: folder, stdio: 'inherit' });
  if (code === 0) console.log(`docs: ${join('build', 'reference', 'index.html')}`);
  return code;
});
