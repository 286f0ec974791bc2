// The program of the consumer as one file of esbuild, rollup and webpack: with the library left outside, and with the library
// inside through its static entry, run in a folder without node_modules.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const trained = { steps: 10, fell: true, shape: [64, 2] };

const bundlers = {
  async esbuild({ entry, out, inside, load }) {
    const { build } = await load('esbuild');
    // require() of the addon stands in a module of CommonJS, which a bundle in ESM has to be given.
    const banner = "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);";
    await build({
      entryPoints: [entry],
      outfile: out,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
      external: inside ? [] : ['tilegrad'],
      loader: { '.node': 'copy' },
      banner: inside ? { js: banner } : {},
    });
  },
  async rollup({ entry, out, inside, load }) {
    const { rollup } = await load('rollup');
    const { default: resolve } = await load('@rollup/plugin-node-resolve');
    const { default: commonjs } = await load('@rollup/plugin-commonjs');
    // Copies the addon beside the bundle, and leaves a require() of it.
    const addon = {
      name: 'addon',
      load(id) {
        if (!id.endsWith('.node')) return null;
        const file = this.emitFile({ type: 'asset', name: 'tilegrad.node', source: readFileSync(id) });
        const text = `createRequire(import.meta.url)(fileURLToPath(import.meta.ROLLUP_FILE_URL_${file}))`;
        return `import { createRequire } from 'node:module';\nimport { fileURLToPath } from 'node:url';\nexport default ${text};`;
      },
    };
    const plugins = inside ? [addon, resolve({ preferBuiltins: true }), commonjs({ ignoreDynamicRequires: true })] : [];
    const bundle = await rollup({ input: entry, plugins, external: inside ? [/^node:/] : ['tilegrad'], onwarn() {} });
    await bundle.write({ file: out, format: 'es', inlineDynamicImports: true, assetFileNames: '[name][extname]' });
  },
  async webpack({ entry, folder, inside, load, tools }) {
    const { default: webpack } = await load('webpack');
    const config = {
      mode: 'production',
      target: 'node20',
      entry,
      // node-loader writes __dirname, which only CommonJS has.
      output: { path: folder, filename: 'bundle.cjs' },
      externals: inside ? {} : { tilegrad: 'commonjs tilegrad' },
      node: { __dirname: false },
      module: { rules: [{ test: /\.node$/, loader: join(tools, 'node-loader/dist/cjs.js') }] },
    };
    const stats = await new Promise((resolve, reject) => {
      webpack(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
    if (stats.hasErrors()) throw new Error(stats.toString('errors-only'));
  },
};

/** Bundles and runs; `consumer` is what installPackage gave. */
export async function checkBundles(consumer, tools) {
  const require = createRequire(join(tools, 'x.js'));
  const load = (name) => import(pathToFileURL(require.resolve(name)).href);
  const program = readFileSync(join(consumer.folder, 'bundler', 'train.js'), 'utf8');
  const host = `${process.platform}-${process.arch}`;
  for (const inside of [false, true]) {
    const entry = join(consumer.folder, inside ? 'inside.js' : 'outside.js');
    writeFileSync(entry, inside ? program.replace("'tilegrad'", `'tilegrad/static/${host}'`) : program);
    for (const [name, bundle] of Object.entries(bundlers)) {
      const folder = join(consumer.folder, '..', `${name}-${inside ? 'inside' : 'outside'}`);
      mkdirSync(folder);
      const out = join(folder, name === 'webpack' ? 'bundle.cjs' : 'bundle.mjs');
      await bundle({ entry, out, folder, inside, load, tools });
      if (!inside) cpSync(join(consumer.folder, 'node_modules'), join(folder, 'node_modules'), { recursive: true });
      await consumer.expectOutput(`${name}, library ${inside ? 'inside' : 'outside'}`, 'node', [out], trained);
    }
  }
}
