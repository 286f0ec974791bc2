// The models that `tilegrad train` offers, for images (B, 1, 28, 28) of ten classes.
import * as nn from '../nn/index.ts';

/** A model by name: what it is in words, the learning rate that suits it, and how it is made. */
export interface NamedModel {
  readonly title: string;
  readonly lr: number;
  readonly make: () => nn.Sequential;
}

/** Multinomial logistic regression. */
const linear = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 10));

const mlp = (): nn.Sequential =>
  new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10));

/** The network of LeCun et al. 1998, with today's ReLU and max pooling. */
const lenet5 = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 6, 5), // (B, 6, 24, 24)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 6, 12, 12)
    new nn.Conv2d(6, 16, 5), // (B, 16, 8, 8)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 16, 4, 4)
    new nn.Flatten(), // (B, 256)
    new nn.Linear(256, 120),
    new nn.ReLU(),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10), // (B, 10)
  );

/** Two blocks of 3x3 convolution, batch normalization, ReLU and pooling. */
const cnn = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1, bias: false }), // (B, 16, 28, 28)
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 16, 14, 14)
    new nn.Conv2d(16, 32, 3, { padding: 1, bias: false }), // (B, 32, 14, 14)
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (B, 32, 7, 7)
    new nn.Flatten(), // (B, 1568)
    new nn.Dropout(0.25),
    new nn.Linear(1568, 10), // (B, 10)
  );

export const models: Readonly<Record<string, NamedModel>> = {
  lenet5: { title: 'LeNet-5', lr: 0.05, make: lenet5 },
  mlp: { title: 'a perceptron 784-128-10', lr: 0.05, make: mlp },
  linear: { title: 'logistic regression', lr: 0.01, make: linear },
  cnn: { title: 'two convolutions with batch normalization', lr: 0.05, make: cnn },
};
