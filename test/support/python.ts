// The subset of Python expressions that the goldens are written in: parsed to a tree and evaluated. What names, tensors
// and operators mean is given by the caller (Semantics); numbers, strings, lists and tuples mean what they do in Python.

export type Node =
  | { kind: 'constant'; value: unknown }
  | { kind: 'name'; id: string }
  | { kind: 'attribute'; of: Node; name: string }
  | { kind: 'call'; fn: Node; args: Argument[] }
  | { kind: 'index'; of: Node; items: Node[] }
  | { kind: 'slice'; start: Node | null; stop: Node | null; step: Node | null }
  | { kind: 'unary'; op: string; of: Node }
  | { kind: 'binary'; op: string; a: Node; b: Node }
  | { kind: 'if'; test: Node; yes: Node; no: Node }
  | { kind: 'lambda'; params: string[]; body: Node }
  | { kind: 'list'; items: Argument[]; tuple: boolean }
  | { kind: 'comprehension'; body: Node; target: string[]; of: Node; test: Node | null };

export interface Argument {
  /** Of a keyword argument. */
  name?: string;
  /** *value: its items are inserted. */
  star?: boolean;
  value: Node;
}

const tokenForm = new RegExp(
  [
    /(?<space>\s+)/,
    /(?<number>\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/,
    /(?<name>[A-Za-z_]\w*)/,
    /(?<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")/,
    /(?<mark>\.\.\.|\*\*|\/\/|<<|>>|[<>=!]=|[-+*/%@<>&|^~()[\]{},.:=])/,
  ]
    .map((form) => form.source)
    .join('|'),
  'y',
);

interface Token {
  kind: 'number' | 'name' | 'string' | 'mark' | 'end';
  text: string;
  at: number;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < text.length; ) {
    tokenForm.lastIndex = at;
    const groups = tokenForm.exec(text)?.groups;
    const [kind, word] = Object.entries(groups ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (!kind || !word) throw new Error(`python: cannot read ${JSON.stringify(text.slice(at, at + 20))} in ${text}`);
    if (kind !== 'space') found.push({ kind: kind as Token['kind'], text: word, at });
    at += word.length;
  }
  return [...found, { kind: 'end', text: '', at: text.length }];
}

/** Binary operators by rising binding strength; comparisons stand between `not` and `|`. */
const levels = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%', '@']];
const comparisons = ['<', '<=', '>', '>=', '==', '!=', 'in', 'is'];
const constants: Record<string, unknown> = { True: true, False: false, None: null };

class Parser {
  readonly #tokens: Token[];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokens(text);
  }

  whole(): Node {
    const node = this.#listed('end');
    this.#expect('');
    return node;
  }

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }

  #is(...texts: string[]): boolean {
    const { kind, text } = this.#token;
    return kind !== 'string' && texts.includes(text);
  }

  #take(...texts: string[]): boolean {
    if (!this.#is(...texts)) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (text === '' ? this.#token.kind === 'end' : this.#take(text)) return;
    const here = this.#text.slice(this.#token.at, this.#token.at + 20);
    throw new Error(`python: expected ${text || 'the end'} before ${JSON.stringify(here)} in ${this.#text}`);
  }

  /** An expression, or a tuple of several up to `close`. */
  #listed(close: string): Node {
    const first = this.#argument();
    if (!this.#is(',') && !first.star) return first.value;
    const items = [first];
    while (this.#take(',')) if (!this.#is(close) && this.#token.kind !== 'end') items.push(this.#argument());
    return { kind: 'list', items, tuple: true };
  }

  #argument(): Argument {
    if (this.#take('*')) return { star: true, value: this.#binary(0) };
    const next = this.#tokens[this.#at + 1];
    if (this.#token.kind === 'name' && next?.kind === 'mark' && next.text === '=') {
      const name = this.#token.text;
      this.#at += 2;
      return { name, value: this.expression() };
    }
    return { value: this.expression() };
  }

  expression(): Node {
    if (this.#is('lambda')) return this.#lambda();
    const yes = this.#or();
    if (!this.#take('if')) return yes;
    const test = this.#or();
    this.#expect('else');
    return { kind: 'if', test, yes, no: this.expression() };
  }

  #lambda(): Node {
    this.#expect('lambda');
    const params: string[] = [];
    while (!this.#take(':')) {
      if (params.length > 0) this.#expect(',');
      params.push(this.#name());
    }
    return { kind: 'lambda', params, body: this.expression() };
  }

  #name(): string {
    const { kind, text } = this.#token;
    if (kind !== 'name') this.#expect('a name');
    this.#at += 1;
    return text;
  }

  #or(): Node {
    let a = this.#and();
    while (this.#take('or')) a = { kind: 'binary', op: 'or', a, b: this.#and() };
    return a;
  }

  #and(): Node {
    let a = this.#not();
    while (this.#take('and')) a = { kind: 'binary', op: 'and', a, b: this.#not() };
    return a;
  }

  #not(): Node {
    if (this.#take('not')) return { kind: 'unary', op: 'not', of: this.#not() };
    let a = this.#binary(0);
    let chain: Node | null = null;
    while (this.#is(...comparisons)) {
      let op = this.#token.text;
      this.#at += 1;
      if (op === 'is' && this.#take('not')) op = 'is not';
      const b = this.#binary(0);
      const link: Node = { kind: 'binary', op, a, b };
      chain = chain ? { kind: 'binary', op: 'and', a: chain, b: link } : link;
      a = b;
    }
    return chain ?? a;
  }

  #binary(level: number): Node {
    const operators = levels[level];
    if (!operators) return this.#unary();
    let a = this.#binary(level + 1);
    while (this.#is(...operators)) {
      const op = this.#token.text;
      this.#at += 1;
      a = { kind: 'binary', op, a, b: this.#binary(level + 1) };
    }
    return a;
  }

  #unary(): Node {
    for (const op of ['-', '+', '~']) if (this.#take(op)) return { kind: 'unary', op, of: this.#unary() };
    const base = this.#postfix();
    return this.#take('**') ? { kind: 'binary', op: '**', a: base, b: this.#unary() } : base;
  }

  #postfix(): Node {
    let node = this.#atom();
    for (;;) {
      if (this.#take('.')) node = { kind: 'attribute', of: node, name: this.#name() };
      else if (this.#take('(')) node = { kind: 'call', fn: node, args: this.#arguments(')') };
      else if (this.#take('[')) node = { kind: 'index', of: node, items: this.#subscripts() };
      else return node;
    }
  }

  #arguments(close: string): Argument[] {
    const args: Argument[] = [];
    while (!this.#take(close)) {
      if (args.length > 0) this.#expect(',');
      if (!this.#is(close)) args.push(this.#argument());
    }
    return args;
  }

  #subscripts(): Node[] {
    const items: Node[] = [];
    while (!this.#take(']')) {
      if (items.length > 0) this.#expect(',');
      if (!this.#is(']')) items.push(this.#subscript());
    }
    return items;
  }

  #subscript(): Node {
    const part = (): Node | null => (this.#is(':', ',', ']') ? null : this.expression());
    const start = part();
    if (!this.#take(':')) return start ?? this.expression();
    const stop = part();
    const step = this.#take(':') ? part() : null;
    return { kind: 'slice', start, stop, step };
  }

  #atom(): Node {
    const { kind, text } = this.#token;
    if (this.#take('(')) {
      if (this.#take(')')) return { kind: 'list', items: [], tuple: true };
      const node = this.#listed(')');
      this.#expect(')');
      return node;
    }
    if (this.#take('[')) return this.#list();
    if (this.#take('...')) return { kind: 'constant', value: ellipsis };
    if (kind === 'mark' || kind === 'end') this.#expect('an operand');
    this.#at += 1;
    if (kind === 'number') return { kind: 'constant', value: Number(text.replaceAll('_', '')) };
    if (kind === 'string') return { kind: 'constant', value: text.slice(1, -1).replace(/\\(.)/g, '$1') };
    return text in constants ? { kind: 'constant', value: constants[text] } : { kind: 'name', id: text };
  }

  #list(): Node {
    if (this.#take(']')) return { kind: 'list', items: [], tuple: false };
    const first = this.#argument();
    if (!this.#take('for')) {
      if (this.#take(']')) return { kind: 'list', items: [first], tuple: false };
      this.#expect(',');
      return { kind: 'list', items: [first, ...this.#arguments(']')], tuple: false };
    }
    const target = [this.#name()];
    while (this.#take(',')) target.push(this.#name());
    this.#expect('in');
    const of = this.#or();
    const test = this.#take('if') ? this.#or() : null;
    this.#expect(']');
    return { kind: 'comprehension', body: first.value, target, of, test };
  }
}

/** The value of `...`. */
export const ellipsis: unique symbol = Symbol('...');

/** Throws an Error for what is not an expression of the subset. */
export function parse(text: string): Node {
  return new Parser(text).whole();
}
