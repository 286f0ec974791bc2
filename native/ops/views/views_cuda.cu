// The views that must copy, on CUDA: one strided copy; the gradient of a slice clears its result first.
// Bytes moved: one read and one write per element, the gradient one write more.
#include "core/cuda/copy.h"
#include "ops/views/views.h"

namespace tilegrad {

void copy_cuda(KernelArgs& args) {
  View target = args.outputs[0];
  target.layout = Layout::contiguous(args.inputs[0].layout.shape);
  cuda::copy_strided_cuda(cuda::stream_of(args.stream), args.inputs[0], target);
}

void slice_input_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View& out = args.outputs[0];
  cuda::check(cudaMemsetAsync(out.data, 0, static_cast<size_t>(out.numel()) * dtype_size(out.dtype),
                              stream.handle()),
              "cudaMemsetAsync");
  View target = out;
  target.layout = slice_layout(out.layout, slice_spec(args));
  cuda::copy_strided_cuda(stream, args.inputs[0], target);
}

}  // namespace tilegrad
