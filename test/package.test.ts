// The package as its users get it: what it contains, and that ESM, CommonJS and both kinds of types reach it.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
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
  expect(paths).toEqual(
    expect.arrayContaining(['package.json', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/cjs/index.d.ts']),
  );
  expect(paths.filter((path) => !/^(dist|prebuilds)\/|^(LICENSE|README\.md|package\.json)$/.test(path))).toEqual([]);
});

describe('a consumer', () => {
  test('imports it', () => {
    const file = write('esm.mjs', "import { version } from 'tilegrad';\nconsole.log(version);\n");
    expect(node(file).trim()).toBe(manifest.version);
  });

  test('requires it, without a warning', () => {
    const file = write('cjs.cjs', "const { version } = require('tilegrad');\nconsole.log(version);\n");
    const { stdout, stderr, status } = spawnSync(process.execPath, [file], { cwd: consumer, encoding: 'utf8' });
    expect({ stdout, stderr, status }).toEqual({ stdout: `${manifest.version}\n`, stderr: '', status: 0 });
  });

  test('gets the same library by both', () => {
    const text = `import { createRequire } from 'node:module';
      import { Tensor, tensor } from 'tilegrad';
      console.log(createRequire(import.meta.url)('tilegrad').Tensor === Tensor, tensor([1]) instanceof Tensor);`;
    expect(node(write('both.mjs', text)).trim()).toBe('true true');
  });

  const kinds = [
    ['nodenext', 'mts'],
    ['nodenext', 'cts'],
    ['node16', 'mts'],
    ['node16', 'cts'],
    ['bundler', 'mts'],
  ] as const;
  test.concurrent.each(kinds)('has its types under %s in a .%s file', async (module, extension) => {
    const program = `import { nn, type Tensor, tensor } from 'tilegrad';
      export const out: Tensor = new nn.Linear(2, 3).forward(tensor([[1, 2]])).relu();
      export const shape: readonly number[] = out.shape;
      // @ts-expect-error: a shape is a list of numbers
      export const wrong: string = out.shape;\n`;
    const file = write(`types_${module}.${extension}`, program);
    const resolution = module === 'bundler' ? ['esnext', '--moduleResolution', 'bundler'] : [module];
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--lib',
      'es2023,esnext.disposable',
      '--types',
      'node',
    ];
    const roots = ['--typeRoots', join(root, 'node_modules/@types')];
    // Declarations are checked too: no --skipLibCheck.
    const args = [join(root, 'node_modules/typescript/bin/tsc'), '--module', ...resolution, ...options, ...roots, file];
    const found = await new Promise((resolve) =>
      execFile(process.execPath, args, { cwd: consumer }, (_, stdout) => resolve(stdout)),
    );
    expect(found).toBe('');
  });
});
