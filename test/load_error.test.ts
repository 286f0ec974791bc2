// An addon that does not load is an error that says where it was looked for, on what, and the command that mends it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LoadFacts, loadError } from '../lib/load_error.ts';

const facts: LoadFacts = {
  platform: 'linux-x64',
  libc: 'glibc 2.36',
  node: '22.1.0',
  chosen: undefined,
  root: '/app/node_modules/tilegrad/',
  checkout: false,
  prebuilt: ['linux-arm64', 'linux-x64'],
  cause: new Error('cannot open shared object file'),
};

test('it has a code, a cause, and every fact in a line of its own', () => {
  const error = loadError(facts);
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', cause: facts.cause });
  expect(error.message.split('\n')).toEqual([
    'the native addon of tilegrad could not be loaded',
    '  platform: linux-x64, glibc 2.36, Node 22.1.0',
    '  looked in: /app/node_modules/tilegrad/build/Release and /app/node_modules/tilegrad/prebuilds/linux-x64 (prebuilds holds linux-arm64, linux-x64)',
    '  reason: cannot open shared object file',
    '  to mend it: npm install tilegrad --force; a node_modules folder of another machine has to be installed anew',
  ]);
});

test.each<[string, Partial<LoadFacts>, string]>([
  ['a checkout', { checkout: true, prebuilt: [] }, 'npm run build'],
  ['a file that the user names', { chosen: '/x.node' }, 'check that the file exists'],
  ['an incomplete package', { prebuilt: [] }, 'npm install tilegrad --force, since the package is not complete'],
  ['an unknown platform', { platform: 'linux-ppc64', libc: 'glibc 2.36' }, 'there is no prebuilt file for linux-ppc64'],
  ['musl', { libc: 'musl' }, 'need glibc, not musl'],
  ['an old glibc', { libc: 'glibc 2.17' }, 'need glibc 2.28 or newer'],
  ['the oldest glibc', { libc: 'glibc 2.28' }, 'npm install tilegrad --force; '],
  ['a bundle', { root: undefined }, "import 'tilegrad/static/linux-x64' instead of 'tilegrad'"],
])('%s has a remedy of its own', (_, change, remedy) => {
  expect(loadError({ ...facts, ...change }).message.split('to mend it: ')[1]).toContain(remedy);
});

describe('the package itself', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tilegrad-load-'));
    const copy = join(folder, 'node_modules', 'tilegrad');
    mkdirSync(copy, { recursive: true });
    for (const part of ['package.json', 'dist']) cpSync(join(root, part), join(copy, part), { recursive: true });
    const loader = join('node_modules', 'node-gyp-build');
    symlinkSync(join(root, loader), join(folder, loader), 'dir');
    writeFileSync(join(folder, 'import.mjs'), "import 'tilegrad';\n");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function load(env: NodeJS.ProcessEnv) {
    const clean = { ...process.env, TILEGRAD_ADDON: '', ...env };
    const { status, stderr } = spawnSync(process.execPath, ['import.mjs'], {
      cwd: folder,
      env: clean,
      encoding: 'utf8',
    });
    return { status, stderr };
  }

  test('without its prebuilt files', () => {
    const { status, stderr } = load({});
    expect(status).toBe(1);
    expect(stderr).toContain(`platform: ${process.platform}-${process.arch}, `);
    expect(stderr).toContain(
      `node_modules/tilegrad/prebuilds/${process.platform}-${process.arch} (prebuilds holds nothing)`,
    );
    expect(stderr).toContain('to mend it: npm install tilegrad --force');
  });

  test('with a file that is none', () => {
    const broken = join(folder, 'broken.node');
    writeFileSync(broken, 'no library');
    const { status, stderr } = load({ TILEGRAD_ADDON: broken });
    expect(status).toBe(1);
    expect(stderr).toContain(`looked in: ${broken} (named by TILEGRAD_ADDON)`);
    expect(stderr).toMatch(/reason: .*(invalid ELF header|file too short|not a valid|slice is not valid)/);
  });
});
