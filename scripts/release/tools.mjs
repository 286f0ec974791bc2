// The programs that the package is tried with, in .cache/release-tools: none of them is a dependency of the checkout.
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readStamp, root, run, SetupError, writeStamp } from '../process.mjs';

const manifest = join(root, 'scripts', 'release', 'package.json');

/** Installs them where they are absent; gives their folder of packages. */
export async function installTools() {
  const folder = join(root, '.cache', 'release-tools');
  const stamp = join(folder, '.stamp');
  const wanted = readFileSync(manifest, 'utf8');
  if (readStamp(stamp) !== wanted) {
    mkdirSync(folder, { recursive: true });
    copyFileSync(manifest, join(folder, 'package.json'));
    const args = ['install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--prefer-offline'];
    const { code, output } = await run('npm', args, { cwd: folder });
    if (code !== 0) throw new SetupError(`npm install of the tools failed:\n${output.trim()}`);
    writeStamp(stamp, wanted);
  }
  return join(folder, 'node_modules');
}

/** The other Nodes that are there: [name, program]. They are packages for linux-x64. */
export function otherNodes(tools) {
  return ['node22', 'node24']
    .map((name) => [name, join(tools, name, 'bin', 'node')])
    .filter(([, program]) => existsSync(program));
}

/** What publint and attw (are the types wrong) say about the tarball. */
export async function lintPackage(tools, tarball) {
  const { code, output } = await run(process.execPath, [join(tools, 'publint/src/cli.js'), tarball, '--strict']);
  if (code !== 0) throw new SetupError(`publint:\n${output.trim()}`);
  // The static entries are for resolutions that know exports; attw leaves out patterns unless they are named.
  for (const choice of [['.'], ['static/linux-x64', '--profile', 'node16']]) {
    const args = [join(tools, '@arethetypeswrong/cli/dist/index.js'), tarball, '--no-color', '--no-emoji'];
    const judged = await run(process.execPath, [...args, '--entrypoints', ...choice]);
    console.log(judged.output.trim());
    if (judged.code !== 0) throw new SetupError('attw found faults');
  }
}
