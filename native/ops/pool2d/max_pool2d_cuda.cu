// max_pool2d, its gradient and that one's own on CUDA: a thread for each output, or for each pixel of the input, which
// adds the windows that cover it in their order, so no atomics are needed and the bits are the CPU's.
// Bytes moved: each input and output once (windows meet in the cache), one byte of tap per output.
#include "core/cuda/cuda_device.h"
#include "core/cuda/pixel.cuh"
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

using cuda::Pixel;

constexpr int kThreads = 256;

template <class T, class Tap>
__global__ void __launch_bounds__(kThreads)
    max_pool(const PoolShape s, const T* __restrict__ x, T* __restrict__ y, Tap* __restrict__ taps,
             int64_t* __restrict__ indices) {
  using C = compute_t<T>;
  const int64_t n = s.planes * s.p * s.q;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const Pixel at(i, static_cast<int>(s.p), static_cast<int>(s.q));
    const T* plane = x + at.image * s.h * s.w;
    const int64_t top = at.row * s.stride_h - s.pad_top, left = at.column * s.stride_w - s.pad_left;
    C best = -static_cast<C>(__builtin_huge_valf());
    int64_t tap = -1, index = -1;
    for (int64_t r = 0; r < s.r; r++) {
      const int64_t row = top + r * s.dilation_h;
      if (row < 0 || row >= s.h) continue;
      for (int64_t c = 0; c < s.s; c++) {
        const int64_t column = left + c * s.dilation_w;
        if (column < 0 || column >= s.w) continue;
        const C value = static_cast<C>(plane[row * s.w + column]);
        if (!(value > best) && value == value && tap >= 0) continue;
        best = value;
        tap = r * s.s + c;
        index = row * s.w + column;
      }
    }
    y[i] = static_cast<T>(best);
    if (taps) taps[i] = static_cast<Tap>(tap);
    if (indices) indices[i] = index;
  }
}

template <class T, class Tap>
__global__ void __launch_bounds__(kThreads)
    max_unpool(const PoolShape s, const T* __restrict__ dy, const Tap* __restrict__ taps,
               T* __restrict__ dx) {
  using C = compute_t<T>;
  const int64_t n = s.planes * s.h * s.w;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const Pixel at(i, static_cast<int>(s.h), static_cast<int>(s.w));
    const int64_t plane = at.image * s.p * s.q;
    const int64_t row = at.row + s.pad_top, column = at.column + s.pad_left;
    const int64_t above = row - (s.r - 1) * s.dilation_h,
                  before = column - (s.s - 1) * s.dilation_w;
    C sum = C(0);
    for (int64_t p = above <= 0 ? 0 : ceil_div(above, s.stride_h); p < s.p && p * s.stride_h <= row;
         p++) {
      const int64_t down = row - p * s.stride_h, r = down / s.dilation_h;
      if (r * s.dilation_h != down) continue;
      for (int64_t q = before <= 0 ? 0 : ceil_div(before, s.stride_w);
           q < s.q && q * s.stride_w <= column; q++) {
        const int64_t right = column - q * s.stride_w, c = right / s.dilation_w;
        if (c * s.dilation_w != right) continue;
        const int64_t out = plane + p * s.q + q;
        if (static_cast<int64_t>(taps[out]) == r * s.s + c) sum += static_cast<C>(dy[out]);
      }
    }
    dx[i] = static_cast<T>(sum);
  }
}

template <class T, class Tap>
__global__ void __launch_bounds__(kThreads) pick(const PoolShape s, const T* __restrict__ x,
                                                 const Tap* __restrict__ taps, T* __restrict__ y) {
  const int64_t n = s.planes * s.p * s.q;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const Pixel at(i, static_cast<int>(s.p), static_cast<int>(s.q));
    const auto tap = static_cast<int64_t>(taps[i]), r = tap / s.s, c = tap - r * s.s;
    const int64_t row = at.row * s.stride_h - s.pad_top + r * s.dilation_h;
    const int64_t column = at.column * s.stride_w - s.pad_left + c * s.dilation_w;
    const bool inside =
        tap >= 0 && tap < s.r * s.s && row >= 0 && row < s.h && column >= 0 && column < s.w;
    y[i] = inside ? x[at.image * s.h * s.w + row * s.w + column] : T(0);
  }
}

template <class... P, class... A>
void run(KernelArgs& args, int64_t n, void (*kernel)(P...), A... values) {
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(kernel, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                     stream.handle(), values...),
              "launch");
}

template <class Tap>
void forward(KernelArgs& args, const PoolShape& s) {
  Tap* taps = args.output_count > 1 ? args.outputs[1].as<Tap>() : nullptr;
  int64_t* indices = args.output_count > 2 ? args.outputs[2].as<int64_t>() : nullptr;
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T,
                    run(args, s.planes * s.p * s.q, max_pool<T, Tap>, s, args.inputs[0].as<T>(),
                        args.outputs[0].as<T>(), taps, indices))
}

template <class Tap>
void backward(KernelArgs& args, const PoolShape& s) {
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T,
                    run(args, s.planes * s.h * s.w, max_unpool<T, Tap>, s, args.inputs[0].as<T>(),
                        args.inputs[1].as<Tap>(), args.outputs[0].as<T>()))
}

template <class Tap>
void pick_at(KernelArgs& args, const PoolShape& s) {
  TG_DISPATCH_SIZE(args.inputs[0].dtype, T,
                   run(args, s.planes * s.p * s.q, pick<T, Tap>, s, args.inputs[0].as<T>(),
                       args.inputs[1].as<Tap>(), args.outputs[0].as<T>()))
}

}  // namespace

void max_pool2d_cuda(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.inputs[0].shape(), true);
  taps_dtype(s.taps()) == DType::u8 ? forward<uint8_t>(args, s) : forward<int32_t>(args, s);
}

void max_pool2d_input_grad_cuda(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.outputs[0].shape(), true);
  taps_dtype(s.taps()) == DType::u8 ? backward<uint8_t>(args, s) : backward<int32_t>(args, s);
}

void max_pool2d_pick_cuda(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.inputs[0].shape(), true);
  taps_dtype(s.taps()) == DType::u8 ? pick_at<uint8_t>(args, s) : pick_at<int32_t>(args, s);
}

}  // namespace tilegrad
