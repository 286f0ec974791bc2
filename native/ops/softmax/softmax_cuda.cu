// softmax and log_softmax on CUDA. Over the last dimension: a warp, or for long rows a block, for each row, which reads
// it three times (largest, sum, result), the last two from the cache. Over others: a thread for each column, neighbours
// side by side. Bytes moved: one read and one write per element, the gradient one read more.
#include "core/cuda/cuda_device.h"
#include "core/cuda/lane_sum.cuh"
#include "core/cuda/reduce.cuh"
#include "core/math.h"
#include "ops/softmax/softmax.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kLongRow = 1024;

// What of a slice a thread sees: elements lane, lane + Lanes, ... `stride` apart.
template <int Lanes>
struct Slice {
  int64_t first, stride;
  int lane;
  bool inside;
  __device__ Slice(int64_t index, const SoftmaxSlices& s)
      : stride(s.inner),
        lane(static_cast<int>(threadIdx.x) % Lanes),
        inside(index < s.outer * s.inner) {
    first = s.inner == 1 ? index * s.n : index / s.inner * s.n * s.inner + index % s.inner;
  }
  __device__ int64_t at(int64_t i) const { return first + i * stride; }
};

template <class T, bool kLog, int Lanes>
__global__ void __launch_bounds__(kThreads)
    softmax(const SoftmaxSlices s, const T* __restrict__ x, T* __restrict__ y) {
  using C = compute_t<T>;
  constexpr int kSlices = kThreads / Lanes;
  const int64_t step = int64_t{kSlices} * gridDim.x;
  // All threads of a block take the same turns: they meet in the reductions.
  for (int64_t start = int64_t{blockIdx.x} * kSlices; start < s.outer * s.inner; start += step) {
    const Slice<Lanes> slice(start + threadIdx.x / Lanes, s);
    const int64_t n = slice.inside ? s.n : 0;
    C most = cuda::Largest::identity<C>();
    for (int64_t i = slice.lane; i < n; i += Lanes)
      most = cuda::Largest()(static_cast<C>(x[slice.at(i)]), most);
    most = cuda::reduce_lanes<Lanes>(most, cuda::Largest());
    C sum = cuda::lane_sum<C, Lanes>(
        slice.lane, n, [&](int64_t i) { return math::exp(static_cast<C>(x[slice.at(i)]) - most); });
    sum = cuda::reduce_lanes<Lanes>(sum, cuda::Sum());
    const C log_sum = kLog ? math::log(sum) : C(0);
    for (int64_t i = slice.lane; i < n; i += Lanes) {
      const C shifted = static_cast<C>(x[slice.at(i)]) - most;
      y[slice.at(i)] = static_cast<T>(kLog ? shifted - log_sum : math::exp(shifted) / sum);
    }
  }
}

// softmax: dx = y (dout - sum of dout y). log_softmax: dx = dout - exp(y) sum of dout.
template <class T, bool kLog, int Lanes>
__global__ void __launch_bounds__(kThreads)
    softmax_grad(const SoftmaxSlices s, const T* __restrict__ dout, const T* __restrict__ y,
                 T* __restrict__ dx) {
  using C = compute_t<T>;
  constexpr int kSlices = kThreads / Lanes;
  const int64_t step = int64_t{kSlices} * gridDim.x;
  for (int64_t start = int64_t{blockIdx.x} * kSlices; start < s.outer * s.inner; start += step) {
    const Slice<Lanes> slice(start + threadIdx.x / Lanes, s);
    const int64_t n = slice.inside ? s.n : 0;
    C sum = cuda::lane_sum<C, Lanes>(slice.lane, n, [&](int64_t i) {
      const C g = static_cast<C>(dout[slice.at(i)]);
      return kLog ? g : g * static_cast<C>(y[slice.at(i)]);
    });
    sum = cuda::reduce_lanes<Lanes>(sum, cuda::Sum());
    for (int64_t i = slice.lane; i < n; i += Lanes) {
      const C g = static_cast<C>(dout[slice.at(i)]), value = static_cast<C>(y[slice.at(i)]);
      dx[slice.at(i)] = static_cast<T>(kLog ? g - math::exp(value) * sum : value * (g - sum));
    }
  }
}

// launch_with(kernel, slices of a block) for the number of lanes that fits the shape.
template <class Kernel, class Launch>
void choose(const SoftmaxSlices& s, Kernel column, Kernel warp, Kernel block,
            Launch&& launch_with) {
  if (s.inner > 1) return launch_with(column, kThreads);
  if (s.n <= kLongRow) return launch_with(warp, kThreads / 32);
  launch_with(block, 1);
}

template <bool kLog>
void run(KernelArgs& args) {
  const SoftmaxSlices s(args);
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_FLOAT(args.outputs[0].dtype, T, {
    choose(s, softmax<T, kLog, 1>, softmax<T, kLog, 32>, softmax<T, kLog, kThreads>,
           [&](auto kernel, int slices) {
             const dim3 grid(cuda::grid_size(stream, s.outer * s.inner, slices));
             cuda::check(launch(kernel, grid, dim3(kThreads), 0, stream.handle(), s,
                                args.inputs[0].as<T>(), args.outputs[0].as<T>()),
                         "launch");
           });
  })
}

template <bool kLog>
void run_grad(KernelArgs& args) {
  const SoftmaxSlices s(args);
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_FLOAT(args.outputs[0].dtype, T, {
    choose(s, softmax_grad<T, kLog, 1>, softmax_grad<T, kLog, 32>, softmax_grad<T, kLog, kThreads>,
           [&](auto kernel, int slices) {
             const dim3 grid(cuda::grid_size(stream, s.outer * s.inner, slices));
             cuda::check(
                 launch(kernel, grid, dim3(kThreads), 0, stream.handle(), s, args.inputs[0].as<T>(),
                        args.inputs[1].as<T>(), args.outputs[0].as<T>()),
                 "launch");
           });
  })
}

}  // namespace

void softmax_cuda(KernelArgs& args) { run<false>(args); }
void log_softmax_cuda(KernelArgs& args) { run<true>(args); }
void softmax_input_grad_cuda(KernelArgs& args) { run_grad<false>(args); }
void log_softmax_input_grad_cuda(KernelArgs& args) { run_grad<true>(args); }

}  // namespace tilegrad
