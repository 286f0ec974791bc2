// Every public function and class that takes options names one that it does not have. Which they are is read off the
// declarations in dist/; the other arguments are made from the types of the parameters.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as tilegrad from 'tilegrad';

const { data, nn, optim, TilegradError, zeros } = tilegrad;
const dist = fileURLToPath(new URL('../dist/', import.meta.url));

type Call = (...args: readonly unknown[]) => unknown;

/** The public functions and classes by name, and within `nn.init` and the like. */
function exported(from: object, at: string, into: Map<string, Map<Call, string>>): Map<string, Map<Call, string>> {
  for (const [name, value] of Object.entries(from)) {
    if (typeof value === 'function') {
      const paths = into.get(name) ?? new Map<Call, string>();
      into.set(name, paths.set(value as Call, paths.get(value as Call) ?? at + name));
    } else if (value !== null && typeof value === 'object' && value[Symbol.toStringTag] === 'Module') {
      exported(value, `${at}${name}.`, into);
    }
  }
  return into;
}

/** The parameters in the parentheses that open at `at`. */
function parametersAt(text: string, at: number): string[] {
  const list: string[] = [];
  let [depth, start] = [0, at + 1];
  for (let i = at; i < text.length; i++) {
    const mark = text[i] as string;
    if ('([{<'.includes(mark)) depth += 1;
    else if (')]}'.includes(mark) || (mark === '>' && text[i - 1] !== '=')) depth -= 1;
    if ((depth === 1 && mark === ',') || depth === 0) {
      list.push(text.slice(start, i).trim());
      start = i + 1;
    }
    if (depth === 0) break;
  }
  return list.filter((parameter) => parameter !== '');
}

interface Declaration {
  name: string;
  isClass: boolean;
  parameters: string[];
}

const takesOptions = (parameter: string): boolean =>
  (/Options\b|^options\??:/.test(parameter) && !/: Params</.test(parameter)) ||
  (parameter.startsWith('{') && parameter.includes('?:'));

/** What is declared in one file with a parameter for options. */
function declarations(file: string): Declaration[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*\*.*?\*\//gs, '');
  const found: Declaration[] = [];
  for (const match of text.matchAll(/^export declare (function|const|abstract class|class) (\w+)/gm)) {
    const [, kind, name] = match as unknown as [string, string, string];
    const rest = text.slice(match.index);
    const isClass = kind.endsWith('class');
    const body = isClass ? rest.slice(0, rest.search(/^}/m)) : rest;
    const head = isClass
      ? /^.*?\n {4}constructor(?=\()/s.exec(body)
      : kind === 'const'
        ? /^[^\n(]*: (?:<[^>]*>)?(?=\()/.exec(body)
        : /^[^(]*(?=\()/.exec(body);
    if (!head) continue;
    const parameters = parametersAt(body, head[0].length);
    if (parameters.some(takesOptions)) found.push({ name, isClass, parameters });
  }
  return found;
}

const square = () => zeros([2, 2]);
/** Arguments by the type of the parameter: the first that fits. */
const examples: [type: RegExp, make: () => unknown][] = [
  [/^(readonly Tensor\[\]|Tensors|Iterable<Tensor>|Tensor \| Iterable)/, () => [square()]],
  [/^Params</, () => [square().requiresGrad_()]],
  [/^readonly \[Tensor, Tensor\]/, () => [square(), square()]],
  [/^(Tensor|T$)/, square],
  [/^(S|Shape|number \| Shape|readonly number\[\])/, () => [2]],
  [/^Scheduled/, () => new optim.SGD([square().requiresGrad_()])],
  [/^(M|AnyModule|Linear)\b/, () => new nn.Linear(2, 2)],
  [/^Conv2d/, () => new nn.Conv2d(1, 1, 1)],
  [/^string/, () => 'weight'],
  [/^Uint8Array/, () => new Uint8Array(4)],
  [/^(SampleDataset|Dataset)/, () => new data.TensorDataset({ x: square() })],
  [/^ImageDataset/, () => new data.ImageDataset(zeros([1, 1, 2, 2]), zeros([1]))],
  [/^readonly Picture\[\]/, () => []],
  [/^ErrorCode/, () => 'ERR_ARGUMENT'],
];

function argumentFor(parameter: string): unknown {
  if (takesOptions(parameter)) return { unheardOf: 1 };
  const type = parameter.slice(parameter.indexOf(':') + 1).trim();
  return examples.find(([form]) => form.test(type))?.[1]() ?? 1;
}

/** Of functions that look at them before their options. */
const particular: Readonly<Record<string, readonly unknown[]>> = {
  'nn.functional.unfold': [zeros([1, 1, 2, 2]), 1, { unheardOf: 1 }],
};

// They take what they find: the options of Error itself.
const exempt = new Set(['TilegradError']);
const publicNames = exported(tilegrad, '', new Map());
const rows = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.d.ts') && !/^(cjs|static)\b/.test(file))
  .flatMap((file) => declarations(dist + file))
  .filter(({ name }) => !exempt.has(name))
  .flatMap((declaration) =>
    [...(publicNames.get(declaration.name) ?? [])].map(([call, path]) => ({ ...declaration, call, path })),
  );

describe('an option that is not there is named', () => {
  test.each(rows)('by $path($parameters)', async ({ call, isClass, parameters, path }) => {
    const made = parameters.slice(0, parameters.findIndex(takesOptions) + 1).map(argumentFor);
    const args = particular[path] ?? made;
    let error: unknown;
    try {
      await (isClass ? Reflect.construct(call, args) : call(...args));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TilegradError);
    expect((error as Error).message).toContain("unknown option 'unheardOf'");
  });

  test('by all that have options', () => {
    const found = new Set(rows.map(({ name }) => name));
    expect(found.size).toBeGreaterThan(170);
    for (const name of ['conv2d', 'sgdUpdate', 'normal_', 'Linear', 'Adam', 'DataLoader', 'dropout'])
      expect(found).toContain(name);
  });
});
