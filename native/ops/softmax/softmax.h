// What the kernels of softmax share.
#pragma once

#include "core/op.h"

namespace tilegrad {

/// x as (outer, n, inner) around the dimension.
struct SoftmaxSlices {
  int64_t outer = 1, n = 1, inner = 1;

  explicit SoftmaxSlices(const KernelArgs& args) {
    const Shape& shape = args.outputs[0].shape();
    int64_t dim = args.attrs.integer("dim");
    if (dim < 0) dim += shape.rank;
    for (int d = 0; d < shape.rank; ++d) (d < dim ? outer : d == dim ? n : inner) *= shape[d];
  }
};

void softmax_cuda(KernelArgs& args);
void log_softmax_cuda(KernelArgs& args);
void softmax_input_grad_cuda(KernelArgs& args);
void log_softmax_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
