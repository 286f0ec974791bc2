export * as lrScheduler from './lr_scheduler/index.ts';
export { Optimizer, type ParamGroup, type ParamGroupOptions, type Params, type Trained } from './optimizer.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export type { OptimizerState, OptimizerStateDict } from './state.ts';
