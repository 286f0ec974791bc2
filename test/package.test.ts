// The package as its users get it: what it contains, and that ESM, CommonJS and both kinds of types reach it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
let consumer: string;

beforeAll(() => {
  consumer = mkdtempSync(join(tmpdir(), 'tilegrad-consumer-'));
  mkdirSync(join(consumer, 'node_modules'));
  symlinkSync(root, join(consumer, 'node_modules', 'tilegrad'), 'dir');
});
afterAll(() => rmSync(consumer, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(consumer, name), text);
  return join(consumer, name);
}
const node = (file: string) => execFileSync(process.execPath, [file], { cwd: consumer, encoding: 'utf8' });

describe('package.json', () => {
  test('has no script that runs at install', () => {
    const scripts = Object.keys(manifest.scripts);
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toContain(name);
  });
  test('needs nothing but the loader at run time', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['node-gyp-build']);
  });
  test('and the lock file name no registry', () => {
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
    expect(lock).not.toContain('"resolved"');
  });
});

test('the tarball holds the compiled library and no sources or tests', () => {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const packed = JSON.parse(
    execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  // npm 12 gives an object by package name, npm 10 and 11 a list.
  const [{ files }] = Object.values(packed) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']));
  expect(paths.filter((path) => !/^(dist|prebuilds)\/|^(LICENSE|README\.md|package\.json)$/.test(path))).toEqual([]);
});

describe('a consumer', () => {
  test('imports it', () => {
    const file = write('esm.mjs', "import { version } from 'tilegrad';\nconsole.log(version);\n");
    expect(node(file).trim()).toBe(manifest.version);
  });

  test('requires it', () => {
    const file = write('cjs.cjs', "const { version } = require('tilegrad');\nconsole.log(version);\n");
    expect(node(file).trim()).toBe(manifest.version);
  });

  test.each(['mts', 'cts'])('has its types in a .%s file', (extension) => {
    const program = "import { version } from 'tilegrad';\nexport const text: string = version;\n";
    const wrong = "import { version } from 'tilegrad';\nexport const number: number = version;\n";
    const files = [write(`right.${extension}`, program), write(`wrong.${extension}`, wrong)];
    const options = ['--noEmit', '--strict', '--module', 'node20', '--types', 'node', '--typeRoots'];
    const args = [join(root, 'node_modules/typescript/bin/tsc'), ...options, join(root, 'node_modules/@types')];
    const compile = (file: string) => execFileSync(process.execPath, [...args, file], { cwd: consumer, stdio: 'pipe' });
    expect(compile(files[0]!).toString()).toBe('');
    expect(() => compile(files[1]!)).toThrow();
  });
});
