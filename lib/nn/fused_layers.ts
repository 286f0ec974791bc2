// Neighbouring layers of a Sequential that one op computes.
import { conv2d, type LinearActivation, linear } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { GELU, ReLU, ReLU6, SiLU } from './activation.ts';
import { Conv2d } from './conv.ts';
import { Linear } from './linear.ts';
import type { Module } from './module.ts';
import { MaxPool2d } from './pooling.ts';

/** Whether nothing but `type` itself computes the module's output: no subclass, no hook. */
export function isPlain<M extends Module>(
  module: Module | undefined,
  type: abstract new (...args: never[]) => M,
): module is M {
  return module !== undefined && module.constructor === type && !Object.hasOwn(module, 'forward');
}

/** What follows a layer before its result is written. @internal */
export interface Followers {
  relu: boolean;
  maxPool: number | null;
}

/** A layer that can compute what follows it. @internal */
export interface JoinsFollowers {
  /** Whether pooling can join as well as ReLU. */
  readonly _joinsPooling: boolean;
  _forwardWith(x: Tensor, followers: Followers): Tensor;
}

function joinsFollowers(layer: Module): layer is Module & JoinsFollowers {
  return '_forwardWith' in layer && !Object.hasOwn(layer, 'forward');
}

/** Windows of 2 x 2 beside one another. */
function pairsUp({ kernelSize, options }: MaxPool2d): boolean {
  const { stride = kernelSize, padding = 0, dilation = 1, ceilMode = false } = options;
  const is = (value: number | boolean | readonly number[], size: number): boolean =>
    typeof value === 'object' ? value.every((one) => one === size) : value === size;
  return is(kernelSize, 2) && is(stride ?? 2, 2) && is(padding, 0) && is(dilation, 1) && !ceilMode;
}

function linearActivation(layer: Module | undefined): LinearActivation | null {
  if (isPlain(layer, ReLU)) return 'relu';
  if (isPlain(layer, SiLU)) return 'silu';
  if (isPlain(layer, GELU)) return layer.options.approximate === 'tanh' ? 'gelu_tanh' : 'gelu';
  return null;
}

/** The output of the layers from position `i` on that can be computed together, and how many they are. */
export function forwardTogether(layers: readonly Module[], i: number, x: Tensor): [y: Tensor, count: number] {
  const layer = layers[i] as Module;
  if (isPlain(layer, Conv2d) && layer.paddingMode === 'zeros') {
    let count = 1;
    let activation: 'relu' | 'relu6' | null = null;
    let maxPool: number | null = null;
    // The largest value of a window is the same before and after ReLU, so their order does not count.
    for (let next = layers[i + count]; count < 3; next = layers[i + ++count]) {
      if (activation === null && isPlain(next, ReLU)) activation = 'relu';
      else if (activation === null && isPlain(next, ReLU6)) activation = 'relu6';
      else if (maxPool === null && isPlain(next, MaxPool2d) && pairsUp(next)) maxPool = 2;
      else break;
    }
    const { bias, stride, padding, dilation, groups } = layer;
    return [conv2d(x, layer.weight, { bias, stride, padding, dilation, groups, activation, maxPool }), count];
  }
  const next = layers[i + 1];
  if (isPlain(layer, Linear)) {
    const activation = linearActivation(next);
    return [linear(x, layer.weight, layer.bias, { activation }), activation ? 2 : 1];
  }
  if (joinsFollowers(layer)) {
    const followers: Followers = { relu: false, maxPool: null };
    let count = 1;
    for (let after = layers[i + count]; ; after = layers[i + ++count]) {
      if (!followers.relu && isPlain(after, ReLU)) followers.relu = true;
      else if (layer._joinsPooling && followers.maxPool === null && isPlain(after, MaxPool2d) && pairsUp(after))
        followers.maxPool = 2;
      else return [layer._forwardWith(x, followers), count];
    }
  }
  // There are fewer values behind the pooling.
  if (isPlain(layer, ReLU) && isPlain(next, MaxPool2d)) return [layer.forward(next.forward(x)), 2];
  return [layer.forward(x), 1];
}
