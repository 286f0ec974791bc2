// Options of a program, declared once for parsing, checking and the help text.
import { parseArgs } from 'node:util';
import { nearest, TilegradError } from '../error.ts';

/** A wrong call of a program, ERR_ARGUMENT. The message is a sentence for the one who typed it. */
export class UsageError extends TilegradError {
  constructor(message: string) {
    super('ERR_ARGUMENT', message);
  }
}

/** One option of a program. `value` is how the help calls what follows it. */
export type OptionSpec = { readonly help: string } & (
  | { readonly kind: 'flag' }
  | { readonly kind: 'text'; readonly value: string; readonly default?: string }
  | { readonly kind: 'choice'; readonly value: string; readonly choices: readonly string[]; readonly default?: string }
  /** A number from `least` (0) up; 'whole' takes no fraction. */
  | { readonly kind: 'number' | 'whole'; readonly value: string; readonly least?: number; readonly default?: number }
);

type ValueOf<S extends OptionSpec> = S extends { kind: 'flag' }
  ? boolean
  :
      | (S extends { kind: 'number' | 'whole' } ? number : S extends { choices: readonly (infer C)[] } ? C : string)
      | (S extends { default: unknown } ? never : undefined);

/** The values of options by name: those without a default may be undefined, flags are false where they are not given. */
export type OptionValues<Specs extends Readonly<Record<string, OptionSpec>>> = {
  readonly [Name in keyof Specs]: ValueOf<Specs[Name]>;
};

function numberOf(name: string, text: string, spec: OptionSpec & { kind: 'number' | 'whole' }): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const least = spec.least ?? 0;
  if (value >= least && (spec.kind === 'whole' ? Number.isSafeInteger(value) : Number.isFinite(value))) return value;
  throw new UsageError(
    `--${name} is '${text}', expected a ${spec.kind === 'whole' ? 'whole ' : ''}number from ${least} up`,
  );
}

/** `text` if it is one of `choices`, else a UsageError that names the nearest: `--model is 'lenet', did you mean 'lenet5'?` */
export function expectChoice(what: string, text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  const near = nearest(text, choices);
  const hint = near === undefined ? `, expected ${choices.join(', ')}` : `, did you mean '${near}'?`;
  throw new UsageError(`${what} is '${text}'${hint}`);
}

function checked(name: string, text: string, spec: OptionSpec): string | number {
  if (spec.kind === 'number' || spec.kind === 'whole') return numberOf(name, text, spec);
  return spec.kind === 'choice' ? expectChoice(`--${name}`, text, spec.choices) : text;
}

/**
 * Reads the arguments of a program. Options stand as `--name value` or `--name=value`; of one that is given twice the last
 * counts. Throws a UsageError for an unknown option (naming the nearest), a missing or wrong value, and for more than
 * `positionals` arguments (default 0) that are no option.
 */
export function parseOptions<const Specs extends Readonly<Record<string, OptionSpec>>>(
  args: readonly string[],
  specs: Specs,
  positionals = 0,
): { values: OptionValues<Specs>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { kind }]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) values[name] = spec.kind === 'flag' ? false : spec.default;
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') found.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const spec = rawName.startsWith('--') && Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      const near = nearest(name, Object.keys(specs));
      throw new UsageError(`unknown option '${rawName}'${near === undefined ? '' : `, did you mean '--${near}'?`}`);
    }
    if (spec.kind === 'flag') {
      if (value !== undefined) throw new UsageError(`--${name} takes no value but got '${value}'`);
      values[name] = true;
    } else {
      if (value === undefined || (!token.inlineValue && value.startsWith('--')))
        throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`);
      values[name] = checked(name, value, spec);
    }
  }
  if (found.length > positionals) throw new UsageError(`unexpected argument '${found[positionals]}'`);
  return { values: values as OptionValues<Specs>, positionals: found };
}

/** The options as lines of a help text, defaults in brackets. */
export function formatOptions(specs: Readonly<Record<string, OptionSpec>>): string {
  const rows = Object.entries(specs).map(([name, spec]) => {
    const standard = spec.kind === 'flag' || (spec.default ?? '') === '' ? '' : ` (${spec.default})`;
    return [`--${name}${spec.kind === 'flag' ? '' : ` ${spec.value}`}`, `${spec.help}${standard}`] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n');
}
