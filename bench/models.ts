// The networks that are timed.
import { conv2d, nn, relu, type Tensor } from 'tilegrad';

/** LeNet-5 for images (N, 1, 28, 28). */
export const lenet5 = () =>
  new nn.Sequential(
    new nn.Conv2d(1, 6, 5), // (N, 6, 24, 24)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (N, 6, 12, 12)
    new nn.Conv2d(6, 16, 5), // (N, 16, 8, 8)
    new nn.ReLU(),
    new nn.MaxPool2d(2), // (N, 16, 4, 4)
    new nn.Flatten(), // (N, 256)
    new nn.Linear(256, 120),
    new nn.ReLU(),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10),
  );

export const mlp = () => new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10));

/** The basic block of a ResNet: two 3x3 convolutions beside a shortcut. */
class Residual extends nn.Module {
  readonly body: nn.Sequential;
  readonly last: nn.Sequential;
  readonly shortcut: nn.Sequential | null;

  constructor(inputs: number, outputs: number, stride: number) {
    super();
    this.body = new nn.Sequential(
      new nn.Conv2d(inputs, outputs, 3, { stride, padding: 1, bias: false }),
      new nn.BatchNorm2d(outputs),
      new nn.ReLU(),
    );
    this.last = new nn.Sequential(
      new nn.Conv2d(outputs, outputs, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(outputs),
    );
    this.shortcut =
      stride === 1 && inputs === outputs
        ? null
        : new nn.Sequential(new nn.Conv2d(inputs, outputs, 1, { stride, bias: false }), new nn.BatchNorm2d(outputs));
  }

  forward(x: Tensor): Tensor {
    const y = this.body.forward(x);
    const residual = this.shortcut ? this.shortcut.forward(x) : x;
    const [conv, norm] = this.last;
    if (conv instanceof nn.Conv2d && norm instanceof nn.Identity)
      return conv2d(y, conv.weight, { bias: conv.bias, padding: 1, residual, activation: 'relu' });
    return relu(this.last.forward(y).add(residual));
  }
}

/** ResNet-18 for images (N, 3, 224, 224) with random weights. */
export function resnet18(): nn.Sequential {
  const blocks: nn.Module[] = [];
  let inputs = 64;
  for (const outputs of [64, 128, 256, 512]) {
    blocks.push(new Residual(inputs, outputs, inputs === outputs ? 1 : 2), new Residual(outputs, outputs, 1));
    inputs = outputs;
  }
  return new nn.Sequential(
    new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false }), // (N, 64, 112, 112)
    new nn.BatchNorm2d(64),
    new nn.ReLU(),
    new nn.MaxPool2d(3, { stride: 2, padding: 1 }), // (N, 64, 56, 56)
    ...blocks, // (N, 512, 7, 7)
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(), // (N, 512)
    new nn.Linear(512, 1000),
  );
}
