// Follows CONTRIBUTING.md to the letter: writes its files and lines into a copy of this checkout, builds, and runs the new
// op's tests there. Proves that the five steps are enough. node scripts/contributing.mjs [--keep]
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isMain, main, root, run, SetupError } from './process.mjs';

/** The fenced blocks of a text that name a file: ```lang file=PATH, or append=PATH for lines to be added. */
export function blocks(markdown) {
  const found = markdown.matchAll(/^```\w+ (file|append)=(\S+)\n([\s\S]*?)^```$/gm);
  return Array.from(found, ([, kind, path, text]) => ({ kind, path, text }));
}

async function copyCheckout(to) {
  const { code, output } = await run('git', ['ls-files', '-co', '--exclude-standard']);
  if (code !== 0) throw new SetupError(`git ls-files failed:\n${output.trim()}`);
  for (const path of output.split('\n').filter((line) => line && existsSync(join(root, line)))) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(root, path), join(to, path));
  }
  if (existsSync(join(root, 'node_modules'))) {
    cpSync(join(root, 'node_modules'), join(to, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  }
}

function follow(steps, to) {
  for (const { kind, path, text } of steps) {
    const target = join(to, path);
    if (kind === 'file' && existsSync(target)) throw new SetupError(`CONTRIBUTING.md: ${path} exists already`);
    if (kind === 'append' && !existsSync(target)) throw new SetupError(`CONTRIBUTING.md: ${path} does not exist`);
    mkdirSync(dirname(target), { recursive: true });
    (kind === 'file' ? writeFileSync : appendFileSync)(target, text);
  }
}

if (isMain(import.meta)) {
  await main(async () => {
    const steps = blocks(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8'));
    const name = steps.find(({ path }) => path.startsWith('test/ops/'))?.path.match(/([^/]+)\.ts$/)?.[1];
    if (name === undefined) throw new SetupError('CONTRIBUTING.md gives no file in test/ops');
    const copy = join(root, 'build', 'contributing');
    rmSync(copy, { recursive: true, force: true });
    await copyCheckout(copy);
    follow(steps, copy);
    const test = ['test', '--', 'test/ops', '-t', name];
    // The base of the paths that ccache forgets: what was compiled in this checkout is not compiled again.
    const env = { CCACHE_BASEDIR: process.env.CCACHE_BASEDIR ?? dirname(root) };
    const { code } = await run('npm', test, { cwd: copy, stdio: 'inherit', env });
    if (!process.argv.includes('--keep')) rmSync(copy, { recursive: true, force: true });
    return code;
  });
}
