// The CUDA kernels of all elementwise functions.
#pragma once

#include "core/op.h"

namespace tilegrad {

#define TG_FUNCTION(inputs, result, name, dtypes, params, expression) \
  void name##_cuda(KernelArgs& args);
#include "ops/elementwise/functors.h"
#undef TG_FUNCTION

}  // namespace tilegrad
