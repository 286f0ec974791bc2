// The tensors that modules own. Both stay the same object when their module is moved or cast, so that optimisers and
// user code may hold them.
import type { Device, DeviceName } from '../device.ts';
import type { DType } from '../dtype.ts';
import { checkOptions, TilegradError } from '../error.ts';
import { full } from '../ops/index.ts';
import { keep } from '../scope.ts';
import { type Shape, Tensor } from '../tensor.ts';

/** Dtype and device of the parameters that a layer makes. */
export interface PlaceOptions {
  /** Default: f32. */
  readonly dtype?: DType | undefined;
  /** Default: {@link getDefaultDevice}. */
  readonly device?: Device | DeviceName | undefined;
}

export const placeOptions = ['dtype', 'device'] as const;

function held(data: Tensor, user: string): ConstructorParameters<typeof Tensor> {
  if (!(data instanceof Tensor)) throw new TilegradError('ERR_ARGUMENT', `${user}: expected a tensor, got ${data}`);
  const storage = data._live(user);
  storage.count += 1;
  return [storage, data.shape, data.dtype, data.device];
}

/**
 * A tensor that is trained: assigned to a field of a {@link Module} it is one of its parameters. Shares the elements of
 * `data` and lives outside of all scopes until it is disposed or collected. As torch.nn.Parameter.
 */
export class Parameter extends Tensor {
  constructor(data: Tensor, options: { readonly requiresGrad?: boolean | undefined } = {}) {
    checkOptions('Parameter', options, ['requiresGrad']);
    super(...held(data, 'Parameter'));
    keep(this);
    this.requiresGrad = options.requiresGrad ?? true;
  }
}

const pruningMasks = new WeakMap<Tensor, Tensor>();

/** The mask (bool) outside of which optimisers keep the parameter at 0. @internal */
export function pruningMask(parameter: Tensor): Tensor | null {
  return pruningMasks.get(parameter) ?? null;
}

/** Pruning says what {@link pruningMask} gives. @internal */
export function setPruningMask(parameter: Parameter, mask: Tensor | null): void {
  if (mask) pruningMasks.set(parameter, mask);
  else pruningMasks.delete(parameter);
}

/**
 * A tensor that belongs to a module's state but is not trained, such as a running mean. With `persistent: false` it is
 * left out of the state dict. As torch.nn.Buffer.
 */
export class Buffer extends Tensor {
  readonly persistent: boolean;

  constructor(data: Tensor, options: { readonly persistent?: boolean | undefined } = {}) {
    checkOptions('Buffer', options, ['persistent']);
    super(...held(data, 'Buffer'));
    keep(this);
    this.persistent = options.persistent ?? true;
  }
}

/** A parameter of zeros. @internal */
export function zeroParameter(shape: Shape, place: PlaceOptions): Parameter {
  const data = full(shape, 0, { dtype: place.dtype ?? 'f32', device: place.device });
  const parameter = new Parameter(data);
  data.dispose();
  return parameter;
}

/** A buffer filled with one value. @internal */
export function filledBuffer(shape: Shape, value: number, place: PlaceOptions): Buffer {
  const data = full(shape, value, { dtype: place.dtype ?? 'f32', device: place.device });
  const buffer = new Buffer(data);
  data.dispose();
  return buffer;
}

/** Makes `target` stand for the elements of `source` from now on, also of another dtype, device or shape. @internal */
export function replaceData(target: Tensor, source: Tensor): void {
  const storage = source._live('to');
  storage.count += 1;
  target.dispose();
  const { shape, dtype, device } = source;
  Object.assign(target, { _storage: storage, shape, dtype, device });
}
