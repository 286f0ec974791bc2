// cdist on CUDA: a thread takes one distance and walks the places of both rows, or one place of the gradient and walks
// the rows of b. Bytes moved: the rows of b, which
// neighbouring threads read, come from the caches; the result is written once.
#include "core/cuda/cuda_device.h"
#include "core/cuda/lane_sum.cuh"
#include "core/cuda/launch.cuh"
#include "core/math.h"
#include "ops/cdist/cdist.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    cdist_pairs(const T* a, const T* b, T* out, const CdistShape s, CdistNorm norm) {
  using C = compute_t<T>;
  const int64_t count = s.batch * s.p * s.r;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * kThreads) {
    const T *x = a + i / s.r * s.m, *y = b + (i / (s.p * s.r) * s.r + i % s.r) * s.m;
    const auto size = [&](int64_t k) {
      return math::fabs(static_cast<C>(x[k]) - static_cast<C>(y[k]));
    };
    C total = 0;
    if (norm == CdistNorm::most) {
      for (int64_t k = 0; k < s.m; ++k)
        total = size(k) > total || size(k) != size(k) ? size(k) : total;
    } else {
      const bool squares = norm == CdistNorm::euclid;
      total = cuda::lane_sum<C, 1>(
          0, s.m, [&](int64_t k) { return squares ? size(k) * size(k) : size(k); });
    }
    out[i] = static_cast<T>(norm == CdistNorm::euclid ? math::sqrt(total) : total);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cdist_slopes(const T* dout, const T* a, const T* b, const T* y, T* out, int64_t batch,
                 int64_t p, int64_t r, int64_t m, CdistNorm norm) {
  using C = compute_t<T>;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < batch * p * m;
       i += int64_t{gridDim.x} * kThreads) {
    const int64_t row = i / m;
    const T* other = b + row / p * r * m + i % m;
    const C at = static_cast<C>(a[i]);
    const C total = cuda::lane_sum<C, 1>(0, r, [&](int64_t j) {
      const C g = static_cast<C>(dout[row * r + j]), d = at - static_cast<C>(other[j * m]);
      const C size = y ? static_cast<C>(y[row * r + j]) : C(0);
      if (norm == CdistNorm::euclid) return size == C(0) ? C(0) * d : g / size * d;
      const bool counts = norm == CdistNorm::sum || C(static_cast<T>(math::fabs(d))) == size;
      return counts && d > C(0) ? g : (counts && d < C(0) ? -g : C(0));
    });
    out[i] = static_cast<T>(total);
  }
}

}  // namespace

void cdist_input_grad_cuda(KernelArgs& args) {
  const Shape &a = args.inputs[1].shape(), &b = args.inputs[2].shape();
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, {
    cuda::check(
        launch(cdist_slopes<T>, dim3(cuda::grid_size(stream, args.outputs[0].numel(), kThreads)),
               dim3(kThreads), 0, stream.handle(), args.inputs[0].as<T>(), args.inputs[1].as<T>(),
               args.inputs[2].as<T>(), args.has(3) ? args.inputs[3].as<T>() : nullptr,
               args.outputs[0].as<T>(), a[0], a[1], b[1], a[2], cdist_norm(args.attrs)),
        "launch");
  })
}

void cdist_cuda(KernelArgs& args) {
  const CdistShape s(args);
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, {
    cuda::check(
        launch(cdist_pairs<T>, dim3(cuda::grid_size(stream, args.outputs[0].numel(), kThreads)),
               dim3(kThreads), 0, stream.handle(), args.inputs[0].as<T>(), args.inputs[1].as<T>(),
               args.outputs[0].as<T>(), s, cdist_norm(args.attrs)),
        "launch");
  })
}

}  // namespace tilegrad
