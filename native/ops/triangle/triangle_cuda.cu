// tril and triu on CUDA: a thread per element. Bytes moved: one read of what is kept and one write per element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "core/op.h"

namespace tilegrad {

namespace {

template <class T>
__global__ void __launch_bounds__(256)
    triangle(const T* __restrict__ x, T* __restrict__ y, int64_t count, int64_t m, int64_t n,
             int64_t diagonal, bool lower) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < count; i += step) {
    const int64_t line = i / n, right = i - line * n - line % m;  // columns right of the diagonal
    y[i] = (lower ? right <= diagonal : right >= diagonal) ? x[i] : T(0);
  }
}

void run(KernelArgs& args, bool lower) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const int rank = x.layout.rank();
  const int64_t m = x.shape()[rank - 2], n = x.shape()[rank - 1], count = y.numel();
  auto& stream = cuda::stream_of(args.stream);
  const int64_t diagonal = args.attrs.integer("diagonal");
  TG_DISPATCH_SIZE(y.dtype, T, {
    cuda::check(launch(triangle<T>, dim3(cuda::grid_size(stream, count, 256)), dim3(256), 0,
                       stream.handle(), x.as<T>(), y.as<T>(), count, m, n, diagonal, lower),
                "launch");
  });
}

}  // namespace

void tril_cuda(KernelArgs& args) { run(args, true); }
void triu_cuda(KernelArgs& args) { run(args, false); }

}  // namespace tilegrad
