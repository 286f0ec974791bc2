// Files of dist/ that the TypeScript compiler does not write: what require() gets, and the static entries for bundlers.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listFiles, root } from './process.mjs';

/** Those for which a file is published. */
export const platforms = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64'];

const dist = join(root, 'dist');

function write(path, text) {
  const file = join(dist, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/**
 * dist/static/<platform>.js: the library with the addon of one platform, whose file a bundler can see. The addon is given
 * before the modules that need it are evaluated, since imports are evaluated in their order.
 */
function writeStaticEntries() {
  for (const platform of platforms) {
    const name = JSON.stringify(`tilegrad/static/${platform}`);
    write(`static/${platform}.js`, `import './${platform}-addon.js';\nexport * from '../index.js';\n`);
    write(`static/${platform}.d.ts`, "export * from '../index.js';\n");
    write(
      `static/${platform}-addon.js`,
      `import { giveAddon } from '../addon.js';\nimport binding from './${platform}.cjs';\ngiveAddon({ binding, file: ${name} });\n`,
    );
    write(
      `static/${platform}.cjs`,
      `'use strict';\nmodule.exports = require('../../prebuilds/${platform}/tilegrad.node');\n`,
    );
    write(`cjs/static/${platform}.js`, `'use strict';\nmodule.exports = require('../../static/${platform}.js');\n`);
  }
}

/**
 * dist/cjs/: what require() gets. It loads the same modules, so that both kinds of import share one state; the types are
 * written a second time, since TypeScript takes the kind of a declaration from the package that it lies in.
 */
function writeCommonJs() {
  write('cjs/package.json', '{ "type": "commonjs" }\n');
  write('cjs/index.js', "'use strict';\nmodule.exports = require('../index.js');\n");
  for (const path of listFiles(['dist'], (name) => name.endsWith('.d.ts') && !name.startsWith('dist/cjs/'))) {
    const text = readFileSync(join(root, path), 'utf8').replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
    write(join('cjs', path.slice('dist/'.length)), text);
  }
}

/** Writes them anew after a compilation. */
export function writeEntries() {
  for (const folder of ['cjs', 'static']) rmSync(join(dist, folder), { recursive: true, force: true });
  writeStaticEntries();
  writeCommonJs();
}
