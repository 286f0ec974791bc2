// Quantisation of models: observers, and layers with integer weights.
export { DynamicConv2d, DynamicLinear, type DynamicOptions, dynamic } from './dynamic.ts';
export {
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  type ObserverOptions,
  type QuantizationParameters,
} from './observers.ts';
