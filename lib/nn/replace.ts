// Layers of a model that others take the place of.
import { describeValue, TilegradError } from '../error.ts';
import { Tensor } from '../tensor.ts';
import { type AnyModule, Module } from './module.ts';

/** Throws ERR_ARGUMENT for what is no module. @internal */
export function expectModule(user: string, value: unknown): asserts value is AnyModule {
  if (!(value instanceof Module))
    throw new TilegradError('ERR_ARGUMENT', `${user}: expects a module but got ${describeValue(value)}`);
}

/**
 * Puts what `convert` makes of the modules of `model` (null: the module stays) into their places, all of them where one stands in several,
 * and frees the tensors of the replaced ones that the model does not use elsewhere. Returns the model, or what took
 * its place, and null where nothing was converted. If `convert` throws, the model is as it was. @internal
 */
export function replaceModules(
  user: string,
  model: AnyModule,
  convert: (module: AnyModule) => AnyModule | null,
): AnyModule | null {
  expectModule(user, model);
  const made = new Map<AnyModule, AnyModule>();
  try {
    for (const module of model.modules()) {
      const converted = convert(module);
      if (converted) made.set(module, converted);
    }
  } catch (error) {
    for (const module of made.values()) module.dispose();
    throw error;
  }
  if (made.size === 0) return null;
  const whole = made.get(model);
  if (!whole)
    for (const [name, module] of model._places()) {
      const replacement = made.get(module);
      if (replacement) model.setSubmodule(name, replacement);
    }
  const result = whole ?? model;
  const used = new Set<unknown>([...result.parameters(), ...result.buffers()]);
  for (const module of made.keys())
    for (const [, value] of module._fields())
      if (value instanceof Tensor && !used.has(value)) {
        value.grad?.dispose();
        value.dispose();
      }
  return result;
}
