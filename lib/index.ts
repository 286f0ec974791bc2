/**
 * The public surface: re-exports only.
 * @module tilegrad
 */
export { type BackwardOptions, backward, enableGrad, grad, isGradEnabled, noGrad, valueAndGrad } from './autograd.ts';
export {
  cudaIsAvailable,
  Device,
  type DeviceInfo,
  type DeviceName,
  device,
  devices,
  getDefaultDevice,
  getNumThreads,
  type Memory,
  measurePeak,
  memory,
  setDefaultDevice,
  setNumThreads,
} from './device.ts';
/** What programs on a terminal need: options, progress, tables, pictures. */
export * as cli from './cli/index.ts';
/** Data sets, loaders and transforms. */
export * as data from './data/index.ts';
export { type DType, dtypes, promote, type TypedArray } from './dtype.ts';
export { type ErrorCode, TilegradError } from './error.ts';
export { type Attrs, type AttrValue, type Hook, type Meta, type Tracer, trace } from './graph.ts';
export {
  defineOp,
  type GradContext,
  type GradRule,
  type Grads,
  type OnnxCall,
  type OnnxGraph,
  type OnnxRule,
  type OpSpec,
  type Run,
} from './op.ts';
/** Layers, losses and their functions. */
export * as nn from './nn/index.ts';
export * from './ops/index.ts';
/** Optimisers and learning-rate schedules. */
export * as optim from './optim/index.ts';
/** Saved tensors: safetensors files and state dicts. */
export * as io from './io/index.ts';
export { type Float32MatmulPrecision, getFloat32MatmulPrecision, setFloat32MatmulPrecision } from './precision.ts';
export { type PrintOptions, setPrintOptions } from './print.ts';
export { defaultGenerator, Generator, type GeneratorState, manualSeed } from './random.ts';
/** Masks over weights, as torch.nn.utils.prune. */
export * as prune from './prune/index.ts';
/** Weights and activations in bytes. */
export * as quantize from './quantize/index.ts';
export { keep, Scope, tidy } from './scope.ts';
export type { Nested, TensorData } from './host_data.ts';
export { type Shape, Tensor, type TensorOptions, tensor } from './tensor.ts';
export type {
  Broadcast,
  Conv2dFault,
  Conv2dShape,
  Known,
  LinearFault,
  MatmulFault,
  MatmulShape,
  OfOperands,
  Permuted,
  Reshaped,
  Rows,
  ShapeOf,
  Transposed,
  WithLast,
} from './typed_shapes.ts';
export { version } from './version.ts';
