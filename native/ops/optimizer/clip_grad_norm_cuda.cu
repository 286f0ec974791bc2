// clip_grad_norm on CUDA: for each gradient a launch whose blocks sum the squares of kClipChunk elements each in f64, one
// block for norm and factor, and for each gradient a launch that scales it. Bytes moved: each gradient read twice and
// written once.
#include <vector>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/reduce.cuh"
#include "core/math.h"
#include "ops/optimizer/clip_grad_norm.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads) clip_squares(const T* x, int64_t numel, double* sums) {
  const int64_t begin = int64_t{blockIdx.x} * kClipChunk;
  const int64_t end = begin + kClipChunk < numel ? begin + kClipChunk : numel;
  double total = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const double v = static_cast<double>(static_cast<compute_t<T>>(x[i]));
    total += v * v;
  }
  total = cuda::block_reduce<kThreads>(total, cuda::Sum{});
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// sums[chunks] becomes the factor.
template <class T>
__global__ void __launch_bounds__(kThreads)
    clip_factor(double* sums, int64_t chunks, double max_norm, T* norm) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += kThreads) total += sums[i];
  total = cuda::block_reduce<kThreads>(total, cuda::Sum{});
  if (threadIdx.x != 0) return;
  const double root = math::sqrt(total), limit = max_norm / (root + 1e-6);
  sums[chunks] = limit > 1 ? 1.0 : limit;
  *norm = static_cast<T>(static_cast<compute_t<T>>(root));
}

template <class T>
__global__ void __launch_bounds__(kThreads) clip_scale(T* x, int64_t numel, const double* factor) {
  using C = compute_t<T>;
  const C by = static_cast<C>(*factor);
  if (by == C(1)) return;
  const int64_t begin = int64_t{blockIdx.x} * kClipChunk;
  const int64_t end = begin + kClipChunk < numel ? begin + kClipChunk : numel;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
    x[i] = static_cast<T>(static_cast<C>(x[i]) * by);
}

template <class T>
void clip(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  auto* sums = args.outputs[1].as<double>();
  const int64_t chunks = args.outputs[1].numel() - 1;
  std::vector<BufferRef> copies(static_cast<size_t>(args.input_count));
  std::vector<View> views;
  for (int i = 0; i < args.input_count; ++i)
    views.push_back(cuda::contiguous_cuda(stream, args.inputs[i], &copies[static_cast<size_t>(i)]));
  const auto grid_of = [](const View& view) {
    return dim3(static_cast<unsigned>(ceil_div(view.numel(), kClipChunk)));
  };
  int64_t first = 0;
  for (const View& view : views) {
    if (view.numel() == 0) continue;
    cuda::check(launch(clip_squares<T>, grid_of(view), dim3(kThreads), 0, stream.handle(),
                       static_cast<const T*>(view.as<T>()), view.numel(), sums + first),
                "launch");
    first += ceil_div(view.numel(), kClipChunk);
  }
  cuda::check(launch(clip_factor<T>, dim3(1), dim3(kThreads), 0, stream.handle(), sums, chunks,
                     args.attrs.number("max_norm"), args.outputs[0].as<T>()),
              "launch");
  for (size_t i = 0; i < views.size(); ++i) {
    if (views[i].numel() == 0) continue;
    cuda::check(launch(clip_scale<T>, grid_of(views[i]), dim3(kThreads), 0, stream.handle(),
                       views[i].template as<T>(), views[i].numel(),
                       static_cast<const double*>(sums + chunks)),
                "launch");
    if (copies[i]) cuda::copy_strided_cuda(stream, views[i], args.inputs[i]);
  }
}

}  // namespace

void clip_grad_norm_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, clip<T>(args))
}

}  // namespace tilegrad
