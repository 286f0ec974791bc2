// The tensor that users hold. Its methods that compute are attached by the rooms in lib/ops.
import { constants } from 'node:buffer';
import { type Device, type DeviceName, placeOf } from './device.ts';
import { type DType, dtypeCode, type TypedArray, typedArray } from './dtype.ts';
import { checkOptions, TilegradError } from './error.ts';
import type { Node } from './graph.ts';
import { arrayDtypes, flatten, type Nested, nest, pack, packHalf, type TensorData } from './host_data.ts';
import { native } from './native.ts';
import { adopt, keep, Storage, watch } from './scope.ts';
import type { Known } from './typed_shapes.ts';

/** A shape: sizes of the dimensions, outermost first. */
export type Shape = readonly number[];

const describeCommand = new Float64Array(32);

/**
 * An n-dimensional array of one dtype on one device. Operations return new tensors at once and compute in the
 * background; `data()` and `item()` wait for the values without blocking the event loop.
 *
 * `S` is what the compiler knows of the shape: `zeros([2, 3])` is a `Tensor<[2, 3]>`. A `Tensor` alone is of any shape and
 * goes everywhere; two shapes that are known and differ do not meet.
 */
export class Tensor<S extends Shape = Shape> {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
  /** The gradient that `backward()` accumulated here; null before. Belongs to this tensor. */
  grad: Tensor | null = null;

  /** @internal */ _storage: Storage | null;
  /** @internal */ _kept = false;
  /** The node that made this tensor, or the leaf node where its gradient ends. @internal */
  _node: Node | null = null;
  /** Which output of `_node` this is. @internal */
  _output = 0;
  #requiresGrad = false;
  /** Not there at run time. As a method it makes tensors of known and of unknown shape assignable to each other. @internal */
  declare readonly _shapeType: { of(shape: S): void }['of'];

  /** Use {@link tensor} and the other factories. @internal */
  constructor(storage: Storage, shape: Shape, dtype: DType, device: Device) {
    this._storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.device = device;
  }

  /** The number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get numel(): number {
    return this.shape.reduce((n, d) => n * d, 1);
  }

  /** The size of dimension `dim`; negative ones count from the end. */
  size(dim: number): number {
    const size = this.shape.at(dim);
    if (size === undefined)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `size: dimension ${dim} is out of range for shape [${this.shape.join(', ')}]`,
      );
    return size;
  }

  /** Whether gradients flow to this tensor: it is a leaf that asked for them, or was computed from one. */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this._node !== null;
  }

  set requiresGrad(value: boolean) {
    if (!this.isLeaf) {
      if (value) return;
      throw new TilegradError('ERR_ARGUMENT', 'requiresGrad: only a leaf can give up its gradient; use detach()');
    }
    if (value && !['f32', 'f16', 'bf16', 'f64'].includes(this.dtype))
      throw new TilegradError(
        'ERR_DTYPE',
        `requiresGrad: only floating-point tensors have gradients, not ${this.dtype}`,
      );
    this.#requiresGrad = value;
    if (!value) this._node = null;
  }

  /** Sets {@link requiresGrad} and returns this tensor. */
  requiresGrad_(value = true): this {
    this.requiresGrad = value;
    return this;
  }

  /** True for a tensor that no recorded operation made. */
  get isLeaf(): boolean {
    return this._node === null || this._node.leaf === this;
  }

  /** True after {@link dispose}. */
  get isDisposed(): boolean {
    return this._storage === null;
  }

  /** The native handle; throws ERR_DISPOSED, naming `user`, after dispose(). @internal */
  _live(user: string): Storage {
    if (this._storage === null)
      throw new TilegradError('ERR_DISPOSED', `${user}: the tensor of shape [${this.shape.join(', ')}] was disposed`);
    return this._storage;
  }

  /** A second tensor on the same elements without a gradient history: they are freed when both are disposed. @internal */
  _alias(): Tensor {
    const storage = this._live('alias');
    storage.count += 1;
    const alias = new Tensor(storage, this.shape, this.dtype, this.device);
    adopt(alias);
    return alias;
  }

  /** A contiguous copy on another device. @internal */
  _transfer(device: Device): Tensor {
    const handle = native.transfer(this._live('to').handle, device.index);
    const copy = new Tensor(new Storage(handle, null), this.shape, this.dtype, device);
    adopt(copy);
    return copy;
  }

  /**
   * The printed tensor where a text is wanted. Throws ERR_ARGUMENT for `x * 2` and other operators that JavaScript has for
   * numbers alone: tensors have methods.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'number')
      throw new TilegradError('ERR_ARGUMENT', 'a tensor has no operators: use add(), mul(), lt() and so on');
    return this.toString();
  }

  /** Frees the elements as soon as no view and no pending gradient needs them. Later use throws ERR_DISPOSED. */
  dispose(): void {
    const storage = this._storage;
    if (storage === null) return;
    this._storage = null;
    this._node = null;
    storage.releaseDisposed();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes over the elements of `other`, which is disposed: same shape, dtype and device. @internal */
  _take(other: Tensor): void {
    const storage = other._live('take');
    other._storage = null;
    this._live('take').releaseDisposed();
    this._storage = storage;
    if (this._kept) watch(storage);
  }

  /** Takes this tensor out of all scopes; it lives until disposed or collected. Returns it. */
  keep(): this {
    return keep(this);
  }

  /** Strides in elements of the dimensions. */
  stride(): number[] {
    return this.#layout().strides;
  }

  /** Whether the elements lie in row-major order without gaps. */
  isContiguous(): boolean {
    return this.#layout().contiguous;
  }

  #layout(): { strides: number[]; contiguous: boolean } {
    native.describe(this._live('stride').handle, describeCommand);
    const rank = this.rank;
    return {
      strides: Array.from(describeCommand.subarray(3 + rank, 3 + 2 * rank)),
      contiguous: describeCommand[4 + 2 * rank] === 1,
    };
  }

  /**
   * The elements in row-major order as a typed array, when they are computed; does not block.
   * i64 gives a BigInt64Array, bool 0 and 1, f16 and bf16 are widened to a Float32Array. Throws ERR_UNSUPPORTED for more
   * elements than a typed array has (2^32 in Node.js 20).
   */
  async data(): Promise<TypedArray> {
    const handle = this._live('data').handle;
    this.#checkReadable('data');
    const buffer = await native.read(handle, true);
    return elements(this.dtype, buffer);
  }

  /** Like {@link data}, but blocks the thread and the event loop until the values are there. */
  dataSync(): TypedArray {
    const handle = this._live('dataSync').handle;
    this.#checkReadable('dataSync');
    return elements(this.dtype, native.readSync(handle, true));
  }

  /** The value of a tensor with one element (i64: as a number, which must be a safe integer). */
  async item(): Promise<number> {
    this.#checkSingle('item');
    return scalar(await this.data());
  }

  /** Like {@link item}, but blocks. */
  itemSync(): number {
    this.#checkSingle('itemSync');
    return scalar(this.dataSync());
  }

  #checkReadable(user: string): void {
    if (this.numel > constants.MAX_LENGTH)
      throw new TilegradError(
        'ERR_UNSUPPORTED',
        `${user}: the shape is [${this.shape.join(', ')}] but a typed array of this Node.js has at most ${constants.MAX_LENGTH} elements; read parts of it`,
      );
  }

  #checkSingle(user: string): void {
    if (this.numel !== 1)
      throw new TilegradError(
        'ERR_SHAPE',
        `${user}: needs one element but the shape is [${this.shape.join(', ')}]; use data() or tolist()`,
      );
  }

  /** Nested arrays of the elements (i64 as bigint, bool as boolean); a scalar gives the bare value. Does not block. */
  async tolist(): Promise<Nested> {
    return nest(this.dtype, this.shape, await this.data());
  }

  /** Like {@link tolist}, but blocks. */
  tolistSync(): Nested {
    return nest(this.dtype, this.shape, this.dataSync());
  }
}

/** The addon has widened f16 and bf16 to f32. */
function elements(dtype: DType, buffer: ArrayBuffer): TypedArray {
  return typedArray(dtype === 'f16' || dtype === 'bf16' ? 'f32' : dtype, buffer);
}

function scalar(data: TypedArray): number {
  const value = data[0] as number | bigint;
  if (typeof value === 'number') return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new TilegradError('ERR_DTYPE', `item: ${value} does not fit into a number; read it with data()`);
  return number;
}

/** Options of the functions that make tensors. */
export interface TensorOptions {
  /** Default: f32; for typed arrays their own; for booleans bool; for bigints i64. */
  dtype?: DType | undefined;
  /** Default: what `getDefaultDevice()` names, the CPU unless it was changed. */
  device?: DeviceName | Device | undefined;
  /** Default: false. */
  requiresGrad?: boolean | undefined;
}

/** The names of {@link TensorOptions}. @internal */
export const tensorOptions: readonly (keyof TensorOptions)[] = ['dtype', 'device', 'requiresGrad'];

const uploadCommand = new Float64Array(16);

/** Makes a tensor of host bytes that already have the dtype. @internal */
export function upload(
  data: ArrayBufferView | ArrayBuffer,
  shape: Shape,
  dtype: DType,
  device?: DeviceName | Device,
): Tensor {
  const place = placeOf(device);
  const dims = shape.map(Number);
  if (dims.length > 8) throw new TilegradError('ERR_SHAPE', `tensor: rank ${dims.length} is more than 8`);
  uploadCommand[0] = dtypeCode(dtype);
  uploadCommand[1] = place.index;
  uploadCommand[2] = dims.length;
  for (let i = 0; i < dims.length; i++) uploadCommand[3 + i] = dims[i] as number;
  const made = new Tensor(new Storage(native.upload(uploadCommand, data), null), Object.freeze(dims), dtype, place);
  adopt(made);
  return made;
}

/**
 * Makes a tensor of a number, nested arrays or a typed array (which is copied; `shape` says how it is read).
 * The dtype defaults to f32, of typed arrays to their own, of booleans to bool, of bigints to i64.
 * Throws ERR_SHAPE for ragged data, ERR_ARGUMENT for values that the dtype cannot hold. As torch.tensor.
 */
export function tensor<const S extends Shape = Shape>(
  data: TensorData,
  options: TensorOptions & { shape?: S | undefined } = {},
): Tensor<Known<S>> {
  checkOptions('tensor', options, ['shape', ...tensorOptions]);
  if ((data as unknown) instanceof Tensor)
    throw new TilegradError('ERR_ARGUMENT', 'tensor: the data is a tensor already; use to(), cast() or detach()');
  let source: ArrayLike<number | boolean | bigint>;
  let shape: Shape;
  let own: DType;
  if (ArrayBuffer.isView(data)) {
    const match = arrayDtypes.get(data[Symbol.toStringTag]);
    if (!match) throw new TilegradError('ERR_DTYPE', `tensor: ${data.constructor.name} has no dtype here`);
    own = match;
    source = data as Exclude<TensorData, Nested>;
    shape = options.shape ?? [source.length];
  } else {
    const { values, shape: found } = flatten(data);
    own =
      values.length > 0 && values.every((v) => typeof v === 'boolean')
        ? 'bool'
        : values.some((v) => typeof v === 'bigint')
          ? 'i64'
          : 'f32';
    source = values;
    shape = options.shape ?? found;
  }
  const dtype = options.dtype ?? own;
  dtypeCode(dtype);
  let made: Tensor;
  if (ArrayBuffer.isView(data) && own === dtype) made = upload(data, shape, dtype, options.device);
  else if (dtype === 'f16' || dtype === 'bf16') made = upload(packHalf(source, dtype), shape, dtype, options.device);
  else made = upload(pack(source, dtype), shape, dtype, options.device);
  if (options.requiresGrad) made.requiresGrad = true;
  return made;
}
