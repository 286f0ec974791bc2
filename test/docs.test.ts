// Every TypeScript block of README and docs compiles against dist/ and runs as it stands; a `text output` block after it is
// what it prints.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { runFile } from './support/child.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'build', 'docs');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];

const blocks = pages
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => {
    const found = readFileSync(join(root, page), 'utf8').matchAll(
      /^```ts\n([\s\S]*?)^```$(?:\n\n```text output\n([\s\S]*?)^```$)?/gm,
    );
    return Array.from(found, ([, code, output], i) => ({
      title: `${page}, block ${i + 1}`,
      file: `${page.replaceAll(/\W+/g, '-')}-${i + 1}`,
      code: code as string,
      output,
    }));
  });

/** C++ that a page shows is cut out of the sources, which their own tests run. */
const excerpts = pages
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => {
    const found = readFileSync(join(root, page), 'utf8').matchAll(/^```cpp from=(\S+)\n([\s\S]*?)^```$/gm);
    return Array.from(found, ([, path, code]) => ({ page, path: path as string, code: code as string }));
  });

function tsc(): string {
  const script = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    return execFileSync(process.execPath, [script, '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

describe('README and docs', () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const { file, code } of blocks) writeFileSync(join(folder, `${file}.ts`), code);
    const options = { extends: '../../tsconfig.json', include: ['*.ts'] };
    const compilerOptions = { rootDir: '.', outDir: 'js', declaration: false, declarationMap: false };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, compilerOptions }));
  });

  test('compile', () => expect(tsc()).toBe(''));

  test.each(excerpts)('$page shows $path as it is', ({ path, code }) =>
    expect(readFileSync(join(root, path), 'utf8')).toContain(code),
  );

  test.for(blocks)('$title', async ({ file, code, output }, { skip }) => {
    if (code.includes('data.mnist(') && !process.env.TILEGRAD_DATA) skip('TILEGRAD_DATA is not set: it would download');
    const { ended, stdout, stderr } = await runFile(join(folder, 'js', `${file}.js`));
    expect({ ended, stderr: stderr.replace(/^tilegrad: running on the CPU.*\n/, '') }).toEqual({
      ended: 0,
      stderr: '',
    });
    if (output !== undefined) expect(stdout).toBe(output);
  });
});
