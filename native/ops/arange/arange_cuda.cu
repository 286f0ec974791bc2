// arange and linspace on CUDA: a thread per element, computed in f64. Bytes moved: one write per element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "ops/arange/arange.h"

namespace tilegrad {

namespace {

template <class T>
__global__ void __launch_bounds__(256) write(const Progression values, T* __restrict__ out) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < values.count; i += step)
    out[i] = static_cast<T>(static_cast<compute_t<T>>(values.at(i)));
}

void run(KernelArgs& args, const Progression& values) {
  const View& out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_ALL(out.dtype, T, {
    cuda::check(launch(write<T>, dim3(cuda::grid_size(stream, values.count, 256)), dim3(256), 0,
                       stream.handle(), values, out.as<T>()),
                "launch");
  });
}

}  // namespace

void arange_cuda(KernelArgs& args) { run(args, arange_values(args)); }
void linspace_cuda(KernelArgs& args) { run(args, linspace_values(args)); }

}  // namespace tilegrad
