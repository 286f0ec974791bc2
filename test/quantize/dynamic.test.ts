import { manualSeed, memory, nn, quantize, randn, type Tensor, tensor, tidy, trace } from 'tilegrad';
import { describe, expect, it } from 'vitest';

const { dynamic } = quantize;

function close(got: ArrayLike<number | bigint>, want: ArrayLike<number | bigint>, share: number): void {
  let largest = 0;
  for (let i = 0; i < want.length; i++) largest = Math.max(largest, Math.abs(Number(want[i])));
  for (let i = 0; i < want.length; i++)
    expect(Math.abs(Number(got[i]) - Number(want[i]))).toBeLessThan(share * largest);
}

describe('quantize.dynamic', () => {
  it('keeps the answers of a network within a few percent', () => {
    manualSeed(3);
    const model = new nn.Sequential(
      new nn.Conv2d(3, 8, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.Flatten(),
      new nn.Linear(8 * 6 * 6, 10),
    ).eval();
    const x = randn([4, 3, 6, 6]);
    const before = model.forward(x).dataSync();
    expect(dynamic(model)).toBe(model);
    expect(model.toString()).toContain('DynamicLinear(inFeatures=288, outFeatures=10, dtype=i8)');
    close(model.forward(x).dataSync(), before, 0.04);
  });

  it('pools within the convolution', () => {
    manualSeed(6);
    const layers = [new nn.Conv2d(1, 6, 5), new nn.ReLU(), new nn.MaxPool2d(2)] as const;
    const model = new nn.Sequential(...layers).eval();
    dynamic(model);
    const x = randn([3, 1, 17, 12]);
    const names: string[] = [];
    const together = trace(
      (op) => names.push(op.name),
      () => model.forward(x),
    );
    if (x.device.name === 'cpu') expect(names).toEqual(['int8_conv2d_max_pool2d_dynamic']);
    const apart = model.children().reduce<Tensor>((y, layer) => layer.forward(y) as Tensor, x);
    expect(together.dataSync()).toEqual(apart.dataSync());
  });

  it('takes vectors, batches of several dimensions, and a layer by itself', () => {
    manualSeed(4);
    const linear = new nn.Linear(16, 5);
    const x = randn([2, 3, 16]);
    const before = linear.forward(x).dataSync();
    const layer = dynamic(linear) as quantize.DynamicLinear;
    close(layer.forward(x).dataSync(), before, 0.03);
    expect(layer.forward(randn([16])).shape).toEqual([5]);
  });

  it('gives channels of zeros zeros', () => {
    const linear = new nn.Linear(3, 2, { bias: false });
    linear.loadStateDict({
      weight: tensor([
        [0, 0, 0],
        [1, 2, 4],
      ]),
    });
    const y = (dynamic(linear) as quantize.DynamicLinear).forward(tensor([1, 1, 1])).dataSync();
    expect(y[0]).toBe(0);
    expect(y[1]).toBeCloseTo(7, 1);
  });

  it('replaces a layer that stands in several places in all of them', () => {
    manualSeed(7);
    const layer = new nn.Linear(8, 8);
    const model = new nn.Sequential(layer, new nn.ReLU(), layer);
    const x = randn([4, 8]);
    const before = model.forward(x).dataSync();
    dynamic(model);
    expect(model.at(0)).toBe(model.at(2));
    close(model.forward(x).dataSync(), before, 0.05);
  });

  it('leaves a weight alone that another layer shares', () => {
    manualSeed(8);
    class Tied extends nn.Module {
      readonly embedding = new nn.Embedding(10, 8);
      readonly decoder = new nn.Linear(8, 10, { bias: false });
      constructor() {
        super();
        Object.assign(this.decoder, { weight: this.embedding.weight });
      }
      forward(x: Tensor): Tensor {
        return this.decoder.forward(this.embedding.forward(x));
      }
    }
    const model = new Tied();
    const x = tensor([1, 2, 3], { dtype: 'i64' });
    const before = model.forward(x).dataSync();
    dynamic(model);
    close(model.forward(x).dataSync(), before, 0.03);
  });

  it('leaves classes derived from the two as they are', () => {
    class Doubled extends nn.Linear {
      override forward(x: Tensor): Tensor {
        return super.forward(x).mul(2);
      }
    }
    const model = new nn.Sequential(new Doubled(4, 4), new nn.Linear(4, 4));
    dynamic(model);
    expect(model.at(0)).toBeInstanceOf(Doubled);
    expect(model.at(1)).toBeInstanceOf(quantize.DynamicLinear);
  });

  it('serves attention, whose projection is a layer of its own', () => {
    manualSeed(9);
    const model = new nn.TransformerEncoderLayer(16, 4, { dimFeedforward: 32 }).eval();
    const x = randn([5, 2, 16]);
    const before = model.forward(x).dataSync();
    dynamic(model);
    expect(model.selfAttn.outProj).toBeInstanceOf(quantize.DynamicLinear);
    close(model.forward(x).dataSync(), before, 0.03);
  });

  it('pads as the convolution did, and takes and gives f64', () => {
    manualSeed(10);
    for (const paddingMode of ['reflect', 'replicate', 'circular'] as const) {
      const model = new nn.Sequential(new nn.Conv2d(2, 3, 3, { padding: [2, 1], paddingMode, dtype: 'f64' }));
      const x = randn([2, 2, 7, 6], { dtype: 'f64' });
      const before = model.forward(x).dataSync();
      dynamic(model);
      const after = model.forward(x);
      expect(after.dtype).toBe('f64');
      close(after.dataSync(), before, 0.03);
    }
  });

  it('says where there is nothing to quantise', () => {
    expect(() => dynamic(null as never)).toThrow('quantize.dynamic: expects a module but got null');
    expect(() => dynamic(new nn.Sequential(new nn.ReLU()))).toThrow('Sequential has no Linear and no Conv2d');
  });

  it('frees the layers that it replaces, and leaves nothing behind', () => {
    const live = memory().liveTensors;
    const model = new nn.Sequential(new nn.Linear(4, 4), new nn.Linear(4, 4));
    dynamic(model);
    tidy(() => model.forward(randn([2, 4]))).dispose();
    model.dispose();
    expect(memory().liveTensors).toBe(live);
  });
});
