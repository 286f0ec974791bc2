// The public surface: re-exports only.
export { backward, enableGrad, grad, isGradEnabled, noGrad, valueAndGrad } from './autograd.ts';
export {
  cudaIsAvailable,
  Device,
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
export * as cli from './cli/index.ts';
export * as data from './data/index.ts';
export { type DType, dtypes, promote } from './dtype.ts';
export { type ErrorCode, TilegradError } from './error.ts';
export { type Attrs, trace } from './graph.ts';
export { defineOp, type GradContext, type GradRule, type OpSpec } from './op.ts';
export * as nn from './nn/index.ts';
export * from './ops/index.ts';
export * as optim from './optim/index.ts';
export * as io from './io/index.ts';
export { type Float32MatmulPrecision, getFloat32MatmulPrecision, setFloat32MatmulPrecision } from './precision.ts';
export { type PrintOptions, setPrintOptions } from './print.ts';
export { defaultGenerator, Generator, type GeneratorState, manualSeed } from './random.ts';
export * as prune from './prune/index.ts';
export * as quantize from './quantize/index.ts';
export { keep, Scope, tidy } from './scope.ts';
export { type Nested, type Shape, Tensor, type TensorOptions, tensor } from './tensor.ts';
export { version } from './version.ts';
