// full on CUDA: one write per element, grid-stride.
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "core/op.h"

namespace tilegrad {

namespace {

template <class T>
__global__ void __launch_bounds__(256) fill(T* __restrict__ out, T value, int64_t n) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += step) out[i] = value;
}

}  // namespace

void full_cuda(KernelArgs& args) {
  const View& out = args.outputs[0];
  const double value = args.attrs.number("value");
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = out.numel();
  TG_DISPATCH_ALL(out.dtype, T, {
    cuda::check(
        launch(fill<T>, dim3(cuda::grid_size(stream, n, 256)), dim3(256), 0, stream.handle(),
               out.as<T>(), static_cast<T>(static_cast<compute_t<T>>(value)), n),
        "launch");
  });
}

}  // namespace tilegrad
