// What the kernels of the view ops share between devices.
#pragma once

#include "core/op.h"

namespace tilegrad {

struct SliceSpec {
  Shape shape;  // of the slice
  int64_t starts[kMaxRank];
  int64_t steps[kMaxRank];
};

/// The slice that a slice_input_grad call writes into its output.
SliceSpec slice_spec(const KernelArgs& args);
Layout slice_layout(const Layout& layout, const SliceSpec& spec);

void copy_cuda(KernelArgs& args);
void slice_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
