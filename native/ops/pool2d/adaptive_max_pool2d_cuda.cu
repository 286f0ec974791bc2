// adaptive_max_pool2d on CUDA: a thread for each output walks its window. NaN wins over numbers, of equals the first wins,
// as on the CPU. Bytes moved: each input about once (windows meet in the cache), a value and a place per output.
#include "core/cuda/cuda_device.h"
#include "core/cuda/pixel.cuh"
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    max_of_cells(const T* __restrict__ x, T* __restrict__ y, int64_t* __restrict__ places,
                 int64_t planes, int h, int w, int p, int q) {
  using C = compute_t<T>;
  const int64_t n = planes * p * q;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const cuda::Pixel at(i, p, q);
    const T* plane = x + at.image * h * w;
    const int64_t row = at.row, column = at.column;
    const int64_t top = row * h / p, bottom = ceil_div((row + 1) * h, p);
    const int64_t left = column * w / q, right = ceil_div((column + 1) * w, q);
    C best = -static_cast<C>(__builtin_huge_valf());
    int64_t place = top * w + left;
    for (int64_t a = top; a < bottom; ++a) {
      for (int64_t b = left; b < right; ++b) {
        const C value = static_cast<C>(plane[a * w + b]);
        if (!(value > best) && value == value) continue;
        best = value;
        place = a * w + b;
      }
    }
    y[i] = plane[place];
    places[i] = place;
  }
}

}  // namespace

void adaptive_max_pool2d_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &y = args.outputs[0];
  const Shape &from = x.shape(), &to = y.shape();
  for (int d = 2; d < 4; ++d)
    if (from[d] > INT32_MAX || to[d] > INT32_MAX)
      fail(ErrorCode::unsupported, "images beyond 2^31 pixels a side have no CUDA kernel");
  const dim3 grid(static_cast<unsigned>(cuda::grid_size(stream, y.numel(), kThreads)));
  TG_DISPATCH_FLOAT(
      x.dtype, T,
      cuda::check(
          launch(max_of_cells<T>, grid, dim3(kThreads), 0, stream.handle(), x.as<T>(), y.as<T>(),
                 args.outputs[1].as<int64_t>(), from[0] * from[1], static_cast<int>(from[2]),
                 static_cast<int>(from[3]), static_cast<int>(to[2]), static_cast<int>(to[3])),
          "launch"))
}

}  // namespace tilegrad
