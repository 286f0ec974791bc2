// Batch normalization folded into the convolution before it.
import { expect, test } from 'vitest';
import { add, manualSeed, nn, noGrad, rand, randn, type Tensor, tidy } from '../../lib/index.ts';

/** A block whose statistics, weights and biases are no round numbers. */
function block(options: { bias: boolean; groups?: number }): nn.Sequential {
  const made = new nn.Sequential(
    new nn.Conv2d(4, 6, 3, { padding: 1, stride: 2, ...options }),
    new nn.BatchNorm2d(6),
    new nn.ReLU(),
  );
  noGrad(() => {
    for (let i = 0; i < 3; i++) made.forward(add(randn([5, 4, 9, 9]), 0.5));
    const norm = made.at(1) as nn.BatchNorm2d;
    norm.weight?._take(add(rand([6]), 0.5));
    norm.bias?._take(randn([6]));
  });
  return made;
}

function largestDifference(a: Tensor, b: Tensor): number {
  const [x, y] = [a.dataSync() as Float32Array, b.dataSync() as Float32Array];
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] as number))), 0);
}

test.each([{ bias: true }, { bias: false }, { bias: true, groups: 2 }])(
  'a folded convolution computes what both layers did: %o',
  (options) => {
    manualSeed(1);
    const model = block(options);
    model.eval();
    const x = randn([3, 4, 9, 9]);
    noGrad(() =>
      tidy(() => {
        const before = model.forward(x);
        const folded = nn.utils.fuseConvBnEval(model.at(0) as nn.Conv2d, model.at(1) as nn.BatchNorm2d);
        expect(largestDifference(folded.forward(x).relu(), before)).toBeLessThan(1e-5);
        expect(nn.utils.fuse_(model)).toBe(1);
        expect(model.at(0)).not.toBeInstanceOf(nn.BatchNorm2d);
        expect(model.at(1)).toBeInstanceOf(nn.Identity);
        expect(largestDifference(model.forward(x), before)).toBeLessThan(1e-5);
        expect(nn.utils.fuse_(model)).toBe(0);
      }),
    );
  },
);

test('what stands elsewhere or has hooks stays', () => {
  const model = block({ bias: true });
  model.eval();
  (model.at(1) as nn.BatchNorm2d).registerForwardHook(() => undefined);
  expect(nn.utils.fuse_(model)).toBe(0);
  const [conv, norm] = [new nn.Conv2d(2, 2, 1), new nn.BatchNorm2d(2)];
  const twice = new nn.Sequential(conv, norm, conv, norm);
  twice.eval();
  expect(nn.utils.fuse_(twice)).toBe(0);
});

test('layers in training, without statistics or of other channels are errors', () => {
  const [conv, norm] = [new nn.Conv2d(2, 3, 1), new nn.BatchNorm2d(3)];
  expect(() => nn.utils.fuseConvBnEval(conv, norm)).toThrow(
    'fuseConvBnEval: a layer is in training; call eval() first',
  );
  conv.eval();
  norm.eval();
  expect(() => nn.utils.fuseConvBnEval(conv, new nn.BatchNorm2d(4).eval() as nn.BatchNorm2d)).toThrow(
    'the convolution gives 3 channels but the batch normalization takes 4',
  );
  expect(() =>
    nn.utils.fuseConvBnEval(conv, new nn.BatchNorm2d(3, { trackRunningStats: false }).eval() as nn.BatchNorm2d),
  ).toThrow('fuseConvBnEval: the batch normalization has no running statistics');
});
