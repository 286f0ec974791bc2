// flip on CUDA: a thread per element. Bytes moved: one read and one write per element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "ops/flip/flip.h"

namespace tilegrad {

namespace {

template <class T>
__global__ void __launch_bounds__(256)
    turn_round(const FlipPlan plan, const T* __restrict__ x, T* __restrict__ y, int64_t n) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += step)
    y[i] = x[plan.source(i)];
}

}  // namespace

void flip_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const FlipPlan plan = flip_plan(args.attrs, x.shape());
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = y.numel();
  TG_DISPATCH_SIZE(y.dtype, T, {
    cuda::check(launch(turn_round<T>, dim3(cuda::grid_size(stream, n, 256)), dim3(256), 0,
                       stream.handle(), plan, x.as<T>(), y.as<T>(), n),
                "launch");
  });
}

}  // namespace tilegrad
