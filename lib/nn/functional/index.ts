// The functions behind the layers, for use without modules. As torch.nn.functional.
export {
  type Conv2dOptions,
  type CrossEntropyOptions,
  conv2d,
  crossEntropy,
  dropout,
  linear,
  logSoftmax,
  type MaxPool2dOptions,
  maxPool2d,
  type NllLossOptions,
  nllLoss,
  type Reduction,
  relu,
  softmax,
} from '../../ops/index.ts';
