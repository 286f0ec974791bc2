// Rows so long that sums, tables and places of one number each element would give out. node large.mjs NAME; prints what it gives.
import { cdist, conv2d, full, matmul, memory, narrow, ones, pad, softmax, tensor, zeros } from 'tilegrad';

const at = (x, i) =>
  narrow(x.reshape([-1]), 0, i, 1)
    .cast('f64')
    .itemSync();

const programs = {
  // An f32 that counts ones stays at 2^24.
  softmax() {
    const y = softmax(zeros([2 ** 25, 2]), 0);
    return [at(y, 0), at(y, 2 ** 26 - 1)].map((value) => value * 2 ** 25);
  },
  softmaxGradient() {
    const x = zeros([2 ** 25, 2], { requiresGrad: true });
    const y = softmax(x, 0);
    y.backward(
      tensor([1])
        .expand([2 ** 25, 2])
        .contiguous(),
    );
    return [at(x.grad, 0), at(x.grad, 2 ** 26 - 1)].map((value) => value * 2 ** 25);
  },
  // A lane that counts ones stays at 2^24. An emulated device would take minutes, as for the images below.
  dot() {
    const x = ones([2 ** 29], { dtype: 'bf16', device: 'cpu' });
    return [at(matmul(x, x), 0)];
  },
  // By places and, in the gradient, by rows.
  cdist() {
    const n = 2 ** 25;
    const place = ones([1, 1], { requiresGrad: true });
    cdist(place, zeros([n, 1]), { p: 1 })
      .sum()
      .backward();
    return [at(cdist(ones([1, n]), zeros([1, n]), { p: 1 }), 0), at(place.grad, 0)];
  },
  // 16-bit images are computed in f32, some at a time: all of them would take four times what they take themselves.
  conv2d() {
    const [n, size] = [1500, 512];
    const half = { dtype: 'f16', device: 'cpu' };
    const x = full([n, 1, size, size], 1, { ...half, requiresGrad: true });
    const weight = full([1, 1, 4, 4], 0.25, { ...half, requiresGrad: true });
    const y = conv2d(x, weight, { stride: 4 });
    const before = memory().liveBytes;
    y.backward(full(y.shape, 2 ** -12, half));
    const positions = (n * size * size) / 16 / 2 ** 12;
    const peak = memory().peakBytes - before - x.numel * 2;
    return [at(y, 0), at(x.grad, x.numel - 1) * 2 ** 14, at(weight.grad, 15) / positions, peak < 300e6];
  },
  // A table of where each place of a row comes from would be eight times as large as the row. On the CPU, which has the memory.
  pad() {
    const n = 2 ** 31 + 100;
    const y = pad(zeros([n], { dtype: 'u8', device: 'cpu' }), [3, 5], { value: 7 });
    return [0, 2, 3, n + 2, n + 3, n + 7].map((i) => at(y, i));
  },
};

console.log(JSON.stringify(programs[process.argv[2]]()));
