// Loading a state dict: first all checks, then all copies.
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { assign, to } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import { Tensor } from '../tensor.ts';

/** Tensors by name. */
export type StateDict = Record<string, Tensor>;

/** Names in which a state dict and a module differ. */
export interface LoadReport {
  /** Names of the module that the state dict does not have. */
  readonly missingKeys: string[];
  /** Names of the state dict that the module does not have. */
  readonly unexpectedKeys: string[];
}

const dims = ({ shape }: Tensor): string => `[${shape.join(', ')}]`;
const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');

/** Copies `state` into `targets`, or throws one error that lists every mismatch and changes nothing. @internal */
export function loadState(
  title: string,
  targets: readonly [string, Tensor][],
  state: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
  strict: boolean,
): LoadReport {
  const given = new Map(state instanceof Map ? state : Object.entries(state));
  for (const [name, tensor] of given) {
    if (!(tensor instanceof Tensor))
      throw new TilegradError('ERR_ARGUMENT', `loadStateDict: '${name}' is not a tensor`);
    tensor._live(`loadStateDict: '${name}'`);
  }
  const names = new Set(targets.map(([name]) => name));
  const missingKeys = [...names].filter((name) => !given.has(name));
  const unexpectedKeys = [...given.keys()].filter((name) => !names.has(name));
  const pairs = targets.flatMap(([name, target]): [string, Tensor, Tensor][] => {
    const source = given.get(name);
    return source ? [[name, target, source]] : [];
  });
  const misshapen = pairs.filter(([, target, source]) => dims(target) !== dims(source));
  const faults = misshapen.map(
    ([name, target, source]) => `\n  '${name}' has shape ${dims(source)} but the module's is ${dims(target)}`,
  );
  const keyFaults = strict && missingKeys.length + unexpectedKeys.length > 0;
  if (keyFaults && unexpectedKeys.length > 0) faults.unshift(`\n  not in the module: ${quoted(unexpectedKeys)}`);
  if (keyFaults && missingKeys.length > 0) faults.unshift(`\n  missing in the state dict: ${quoted(missingKeys)}`);
  if (faults.length > 0)
    throw new TilegradError(
      keyFaults ? 'ERR_ARGUMENT' : 'ERR_SHAPE',
      `loadStateDict: the state dict does not fit ${title}${faults.join('')}`,
    );
  noGrad(() =>
    tidy(() => {
      for (const [, target, source] of pairs)
        assign(target, to(source, { dtype: target.dtype, device: target.device }));
    }),
  );
  return { missingKeys, unexpectedKeys };
}
