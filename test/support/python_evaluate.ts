// Evaluates the trees of python.ts.
import { type Argument, type Node, parse } from './python.ts';

/** A function as expressions call it: arguments by position and by name. */
export type PythonFunction = (args: readonly unknown[], named: Readonly<Record<string, unknown>>) => unknown;

/** a:b:c between brackets. */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;

  constructor(start: unknown, stop: unknown, step: unknown) {
    this.start = start as number | null;
    this.stop = stop as number | null;
    this.step = step as number | null;
  }
}

/** What the caller's own values mean; undefined from a method leaves the case to Python's plain meaning. */
export interface Semantics {
  attribute(of: unknown, name: string): unknown;
  index(of: unknown, items: readonly unknown[]): unknown;
  unary(op: string, of: unknown): unknown;
  binary(op: string, a: unknown, b: unknown): unknown;
}

export type Names = Readonly<Record<string, unknown>>;

const truth = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : Boolean(value));

function arithmetic(op: string, a: number, b: number): unknown {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - b * Math.floor(a / b);
    case '**':
      return a ** b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    default:
      throw new Error(`python: no ${op} of numbers`);
  }
}

function plainBinary(op: string, a: unknown, b: unknown): unknown {
  if (op === '==' || op === '!=') return (JSON.stringify(a) === JSON.stringify(b)) === (op === '==');
  if (op === 'is' || op === 'is not') return (a === b) === (op === 'is');
  if (op === 'in') return (b as unknown[]).includes(a);
  if (op === '+' && Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  if (op === '*' && Array.isArray(a)) return Array.from({ length: b as number }, () => a).flat();
  if (op === '*' && Array.isArray(b)) return plainBinary(op, b, a);
  return arithmetic(op, Number(a), Number(b));
}

function plainIndex(of: unknown, items: readonly unknown[]): unknown {
  const [item] = items;
  if (Array.isArray(of)) {
    if (!(item instanceof Slice)) return of.at(item as number);
    const picked = of.slice(item.start ?? 0, item.stop ?? of.length);
    return picked.filter((_, i) => i % (item.step ?? 1) === 0);
  }
  return (of as Record<string, unknown>)[item as string];
}

class Evaluator {
  readonly #semantics: Semantics;

  constructor(semantics: Semantics) {
    this.#semantics = semantics;
  }

  value(node: Node, names: Names): unknown {
    const of = (inner: Node): unknown => this.value(inner, names);
    switch (node.kind) {
      case 'constant':
        return node.value;
      case 'name':
        if (!(node.id in names)) throw new Error(`python: the name ${node.id} is not defined`);
        return names[node.id];
      case 'attribute': {
        const target = of(node.of);
        return this.#semantics.attribute(target, node.name) ?? this.#plainAttribute(target, node.name);
      }
      case 'call':
        return this.#call(node.fn, node.args, names);
      case 'index': {
        const [target, items] = [of(node.of), node.items.map(of)];
        return this.#semantics.index(target, items) ?? plainIndex(target, items);
      }
      case 'slice':
        return new Slice(
          ...([node.start, node.stop, node.step].map((part) => part && of(part)) as [unknown, unknown, unknown]),
        );
      case 'unary':
        return this.#unary(node.op, of(node.of));
      case 'binary':
        return this.#binary(node.op, node.a, node.b, names);
      case 'if':
        return truth(of(node.test)) ? of(node.yes) : of(node.no);
      case 'lambda': {
        const made: PythonFunction = (args, named) =>
          this.value(node.body, { ...names, ...Object.fromEntries(node.params.map((p, i) => [p, args[i]])), ...named });
        return made;
      }
      case 'list':
        return this.#items(node.items, names);
      case 'comprehension':
        return this.#comprehension(node, names);
    }
  }

  #items(items: readonly Argument[], names: Names): unknown[] {
    return items.flatMap(({ star, value }) => {
      const item = this.value(value, names);
      return star ? (item as unknown[]) : [item];
    });
  }

  #call(fn: Node, args: readonly Argument[], names: Names): unknown {
    const callee = this.value(fn, names);
    if (typeof callee !== 'function') throw new Error('python: what is called is no function');
    const byName = args.filter((arg) => arg.name !== undefined);
    const named = Object.fromEntries(byName.map((arg) => [arg.name, this.value(arg.value, names)]));
    const byPlace = args.filter((arg) => arg.name === undefined);
    return (callee as PythonFunction)(this.#items(byPlace, names), named);
  }

  #plainAttribute(of: unknown, name: string): unknown {
    const value = (of as Record<string, unknown> | null | undefined)?.[name];
    if (value === undefined) throw new Error(`python: no attribute ${name}`);
    return value;
  }

  #unary(op: string, of: unknown): unknown {
    if (op === 'not') return !truth(of);
    const own = this.#semantics.unary(op, of);
    if (own !== undefined) return own;
    return op === '-' ? -Number(of) : op === '+' ? Number(of) : ~Number(of);
  }

  #binary(op: string, left: Node, right: Node, names: Names): unknown {
    const a = this.value(left, names);
    if (op === 'and') return truth(a) ? this.value(right, names) : a;
    if (op === 'or') return truth(a) ? a : this.value(right, names);
    const b = this.value(right, names);
    return this.#semantics.binary(op, a, b) ?? plainBinary(op, a, b);
  }

  #comprehension(node: Extract<Node, { kind: 'comprehension' }>, names: Names): unknown[] {
    const { body, target, of, test } = node;
    const results: unknown[] = [];
    for (const item of this.value(of, names) as unknown[]) {
      const parts = target.length > 1 ? (item as unknown[]) : [item];
      const inner = { ...names, ...Object.fromEntries(target.map((name, i) => [name, parts[i]])) };
      if (!test || truth(this.value(test, inner))) results.push(this.value(body, inner));
    }
    return results;
  }
}

/** Python's own functions on plain values. */
const builtins: Names = {
  float: ([text]: readonly unknown[]) => {
    const match = /^([+-]?)inf(?:inity)?$/i.exec(String(text));
    if (match) return match[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return Number(text);
  },
  int: ([x]: readonly unknown[]) => Math.trunc(Number(x)),
  bool: ([x]: readonly unknown[]) => truth(x),
  len: ([x]: readonly unknown[]) => (x as unknown[]).length,
  abs: ([x]: readonly unknown[]) => Math.abs(x as number),
  min: (args: readonly unknown[]) => Math.min(...(args.flat() as number[])),
  max: (args: readonly unknown[]) => Math.max(...(args.flat() as number[])),
  list: ([x]: readonly unknown[]) => [...(x as unknown[])],
  tuple: ([x]: readonly unknown[]) => [...(x as unknown[])],
  zip: (lists: readonly unknown[]) =>
    (lists[0] as unknown[]).map((_, i) => lists.map((list) => (list as unknown[])[i])),
  range: (args: readonly unknown[]) => {
    const [start, stop, step = 1] = (args.length > 1 ? args : [0, args[0]]) as number[];
    return Array.from({ length: Math.max(0, Math.ceil((stop! - start!) / step)) }, (_, i) => start! + i * step);
  },
};

/** The value of a Python expression. Throws an Error for what the subset does not have. */
export function evaluate(text: string, names: Names, semantics: Semantics): unknown {
  return new Evaluator(semantics).value(parse(text), { ...builtins, ...names });
}
