// State dicts of optimisers.
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { add } from '../ops/index.ts';
import { keep } from '../scope.ts';
import { Tensor } from '../tensor.ts';

/** What an optimiser remembers of one parameter: tensors such as momentum buffers, and numbers such as the step. */
export type OptimizerState = Record<string, Tensor | number>;

/** What `Optimizer.stateDict` gives: state by the parameters' positions, and the groups with positions for parameters. */
export interface OptimizerStateDict {
  readonly state: Readonly<Record<number, Readonly<OptimizerState>>>;
  readonly paramGroups: readonly (Readonly<Record<string, unknown>> & { readonly params: readonly number[] })[];
}

interface Group {
  params: Tensor[];
}

/** @internal */
export function packOptimizerState(
  groups: readonly Group[],
  states: ReadonlyMap<Tensor, OptimizerState>,
): OptimizerStateDict {
  let position = 0;
  const state: Record<number, OptimizerState> = {};
  const paramGroups = groups.map(({ params, ...options }) => ({
    ...options,
    params: params.map((param) => {
      const own = states.get(param);
      if (own)
        state[position] = Object.fromEntries(
          Object.entries(own).map(([name, value]) => [name, value instanceof Tensor ? value.detach() : value]),
        );
      return position++;
    }),
  }));
  return { state, paramGroups };
}

/** Checks all, then copies. @internal */
export function loadOptimizerState(
  user: string,
  groups: readonly Group[],
  states: Map<Tensor, OptimizerState>,
  dict: OptimizerStateDict,
  optionNames: readonly string[],
): void {
  const fail = (text: string): never => {
    throw new TilegradError('ERR_ARGUMENT', `${user}.loadStateDict: ${text}`);
  };
  if (!Array.isArray(dict?.paramGroups) || typeof dict.state !== 'object' || dict.state === null)
    fail('expected the result of stateDict(), with state and paramGroups');
  if (dict.paramGroups.length !== groups.length)
    fail(`the state dict has ${dict.paramGroups.length} parameter groups but the optimizer ${groups.length}`);
  const loaded: [Tensor, OptimizerState][] = [];
  groups.forEach((group, i) => {
    const { params: positions } = dict.paramGroups[i] as OptimizerStateDict['paramGroups'][number];
    if (!Array.isArray(positions) || positions.length !== group.params.length)
      fail(`group ${i} has ${positions?.length} parameters in the state dict but ${group.params.length} here`);
    group.params.forEach((param, k) => {
      const state = dict.state[positions[k] as number];
      if (state) loaded.push([param, state]);
      for (const [name, value] of Object.entries(state ?? {})) {
        if (!(value instanceof Tensor)) continue;
        value._live(`${user}.loadStateDict: ${name}`);
        if (value.numel > 1 && value.shape.join() !== param.shape.join())
          fail(
            `${name} of parameter ${positions[k]} has shape [${value.shape.join(', ')}], not [${param.shape.join(', ')}]`,
          );
      }
    });
  });
  groups.forEach((group, i) => {
    const entries = Object.entries(dict.paramGroups[i] ?? {}).filter(([name]) => optionNames.includes(name));
    Object.assign(group, Object.fromEntries(entries));
  });
  for (const old of states.values())
    for (const value of Object.values(old)) if (value instanceof Tensor) value.dispose();
  states.clear();
  for (const [param, state] of loaded) states.set(param, copyOf(state, param));
}

function copyOf(state: OptimizerState, param: Tensor): OptimizerState {
  return noGrad(() =>
    Object.fromEntries(
      Object.entries(state).map(([name, value]) => {
        if (!(value instanceof Tensor)) return [name, value];
        const moved = value.to(param.device);
        const copy = moved === value ? add(value, 0) : moved;
        return [name, keep(copy)];
      }),
    ),
  );
}
