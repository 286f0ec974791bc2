export {
  CELU,
  ELU,
  GELU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  Mish,
  ReLU,
  ReLU6,
  SELU,
  Sigmoid,
  SiLU,
  Softplus,
  Softshrink,
  Softsign,
  Tanh,
  Tanhshrink,
  Threshold,
} from './activation.ts';
export { type AttentionMasks, MultiheadAttention, type MultiheadAttentionOptions } from './attention.ts';
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormLayerOptions } from './batch_norm.ts';
export { ModuleDict, ModuleList, Sequential } from './containers.ts';
export { Conv2d, type Conv2dLayerOptions } from './conv.ts';
export {
  Conv1d,
  type Conv1dLayerOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
} from './conv_transpose.ts';
export { Dropout, type DropoutOptions } from './dropout.ts';
export { Embedding, type EmbeddingLayerOptions } from './embedding.ts';
export { Flatten, Unflatten } from './flatten.ts';
export type { Chained } from './flow.ts';
/** The functions behind the layers, as torch.nn.functional. */
export * as functional from './functional/index.ts';
/** Initial values of parameters, as torch.nn.init. */
export * as init from './init.ts';
export { Identity, Linear, type LinearOptions } from './linear.ts';
export {
  BCELoss,
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MSELoss,
  NLLLoss,
  PoissonNLLLoss,
  SmoothL1Loss,
} from './loss.ts';
export { type AnyModule, type ForwardHook, type ForwardPreHook, Module } from './module.ts';
export {
  GroupNorm,
  type GroupNormOptions,
  LayerNorm,
  type LayerNormOptions,
  RMSNorm,
} from './normalization.ts';
export { Buffer, Parameter, type PlaceOptions } from './parameter.ts';
export { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from './pooling.ts';
export { GRU, LSTM, type RecurrentLayerOptions, RNN, type RNNOptions } from './recurrent.ts';
export { GLU, LogSoftmax, PReLU, type PReLUOptions, Softmax, Softmin } from './softmax.ts';
export type { LoadReport, StateDict } from './state.ts';
export { TransformerEncoder, TransformerEncoderLayer, type TransformerEncoderLayerOptions } from './transformer.ts';
/** Limits for gradients and folded layers, as torch.nn.utils. */
export * as utils from './module_tools.ts';
