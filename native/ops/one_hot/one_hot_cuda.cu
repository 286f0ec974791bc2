// one_hot on CUDA: a thread per element. Bytes moved: one write per element.
#include "core/cpu/indexed.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/index_fault.cuh"
#include "core/op.h"

namespace tilegrad {

namespace {

template <class T, class I>
__global__ void __launch_bounds__(256)
    mark_classes(const I* __restrict__ index, T* __restrict__ out, int64_t count, int64_t classes,
                 const cuda::IndexCheck check) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < count; i += step) {
    const int64_t row = i / classes, own = i - row * classes, at = index[row];
    if (own == 0) check(at, row);
    out[i] = static_cast<T>(static_cast<compute_t<T>>(own == at ? 1 : 0));
  }
}

}  // namespace

void one_hot_cuda(KernelArgs& args) {
  const View &index = args.inputs[0], &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  const int64_t count = out.numel();
  TG_DISPATCH_ALL(out.dtype, T, {TG_DISPATCH_INDEX(index.dtype, I, {
                    cuda::check(
                        launch(mark_classes<T, I>, dim3(cuda::grid_size(stream, count, 256)),
                               dim3(256), 0, stream.handle(), index.as<I>(), out.as<T>(), count,
                               args.attrs.integer("classes"),
                               cuda::index_check(stream, cuda::IndexedOp::one_hot, -1,
                                                 args.attrs.integer("classes"))),
                        "launch");
                  })});
}

}  // namespace tilegrad
