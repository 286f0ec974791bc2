export {
  Adam,
  Adamax,
  type AdamOptions,
  AdamW,
  type AdaptiveOptions,
  NAdam,
  type NAdamOptions,
  RAdam,
} from './adam.ts';
/** Schedules of the learning rate, as torch.optim.lr_scheduler. */
export * as lrScheduler from './lr_scheduler/index.ts';
export { Optimizer, type ParamGroup, type ParamGroupOptions, type Params, type UpdateBatch } from './optimizer.ts';
export {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  RMSprop,
  type RMSpropOptions,
} from './rmsprop.ts';
export { ASGD, type ASGDOptions, Rprop, type RpropOptions } from './rprop.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export type { OptimizerState, OptimizerStateDict } from './state.ts';
