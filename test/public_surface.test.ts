// Every public export has a docstring, and nothing that is internal is public. Follows the declarations in dist/ from the
// entry, as an editor does.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as tilegrad from 'tilegrad';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

interface Export {
  /** As users write it: `nn.functional.relu`. */
  path: string;
  /** The comment that stands before the declaration; undefined without one. */
  doc: string | undefined;
}

const texts = new Map<string, string>();
function read(file: string): string {
  const path = file.replace(/\.ts$/, '.d.ts');
  if (!texts.has(path)) texts.set(path, existsSync(path) ? readFileSync(path, 'utf8') : '');
  return texts.get(path) as string;
}

const comment = String.raw`(?:(/\*\*(?:(?!\*/)[^])*\*/)\s*)?`;

/** The declarations of a file itself, by name. Of overloads the first that has a comment counts. */
function declarations(text: string, exported = true): Map<string, string | undefined> {
  const kinds = '(?:declare )?(?:abstract )?(?:function|const|class|interface|type|let)';
  const found = new Map<string, string | undefined>();
  for (const [, doc, name] of text.matchAll(
    new RegExp(`^${comment}${exported ? 'export ' : '(?:export )?'}${kinds} (\\w+)`, 'gm'),
  ))
    found.set(name as string, found.get(name as string) ?? doc);
  return found;
}

/** The names of a list in braces, each with the name under which it is exported. */
const namesOf = (list: string): [name: string, as: string][] =>
  list
    .split(',')
    .map((item) =>
      item
        .trim()
        .replace(/^type /, '')
        .split(' as '),
    )
    .filter(([name]) => name !== '')
    .map(([name, as = name]) => [name as string, as as string]);

const lists = String.raw`export (?:type )?\{([^}]*)\} from '([^']+)';`;
const stars = String.raw`export \*(?: as (\w+))? from '([^']+)';`;

/** What a file exports, under `prefix`. */
function exportsOf(file: string, prefix = ''): Export[] {
  const text = read(file);
  const own = [...declarations(text)].map(([name, doc]) => ({ path: prefix + name, doc }));
  const local = declarations(text, false);
  const renamed = Array.from(text.matchAll(/^export \{([^}]*)\};/gm), ([, names]) =>
    namesOf(names as string).map(([name, as]) => ({ path: prefix + as, doc: local.get(name) })),
  );
  const from = (name: string) => join(dirname(file), name);
  const listed = Array.from(text.matchAll(new RegExp(`^${lists}`, 'gm')), ([, names, source]) => {
    const there = new Map(exportsOf(from(source as string)).map((entry) => [entry.path, entry.doc]));
    return namesOf(names as string).map(([name, as]) => {
      expect(there.has(name), `${source} declares ${name}, which ${file} exports`).toBe(true);
      return { path: prefix + as, doc: there.get(name) };
    });
  });
  const starred = Array.from(text.matchAll(new RegExp(`^${comment}${stars}`, 'gm')), ([, doc, as, source]) => {
    if (!as) return exportsOf(from(source as string), prefix);
    return [{ path: prefix + as, doc }, ...exportsOf(from(source as string), `${prefix}${as}.`)];
  });
  return [...own, ...renamed.flat(), ...listed.flat(), ...starred.flat()];
}

const all = exportsOf(join(dist, 'index.ts'));
const paths = new Set(all.map(({ path }) => path));

describe('the public surface', () => {
  test('has a docstring for every export', () => {
    expect(all.length).toBeGreaterThan(500);
    expect(all.filter(({ doc }) => doc === undefined).map(({ path }) => path)).toEqual([]);
  });

  test('has nothing internal', () => {
    expect(all.filter(({ doc }) => doc?.includes('@internal')).map(({ path }) => path)).toEqual([]);
  });

  test('is what this reads: every value that the module has was found', () => {
    const walk = (space: object, prefix: string): string[] =>
      Object.entries(space).flatMap(([name, value]) =>
        Object.prototype.toString.call(value) === '[object Module]'
          ? [prefix + name, ...walk(value as object, `${prefix}${name}.`)]
          : [prefix + name],
      );
    expect(walk(tilegrad, '').filter((path) => !paths.has(path))).toEqual([]);
  });
});

test('a planted export without a docstring is found', () => {
  const text = '/** One. */\nexport declare function one(): void;\nexport declare const two: number;\n';
  expect([...declarations(text)]).toEqual([
    ['one', '/** One. */'],
    ['two', undefined],
  ]);
});
