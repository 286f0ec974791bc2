export { ReLU } from './activation.ts';
export { ModuleDict, ModuleList, Sequential } from './containers.ts';
export { Conv2d, type Conv2dLayerOptions } from './conv.ts';
export { Flatten, Unflatten } from './flatten.ts';
export * as init from './init.ts';
export { Identity, Linear, type LinearOptions } from './linear.ts';
export { type AnyModule, type ForwardHook, type ForwardPreHook, Module } from './module.ts';
export { Buffer, Parameter, type PlaceOptions } from './parameter.ts';
export type { LoadReport, StateDict } from './state.ts';
