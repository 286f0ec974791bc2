// The CUDA kernels of all elementwise functions, one per line of functors.h.
#pragma once

#include "core/op.h"

namespace tilegrad {

#define TG_UNARY(fn, dtypes, expression) void fn##_cuda(KernelArgs& args);
#define TG_BINARY(fn, dtypes, expression) void fn##_cuda(KernelArgs& args);
#include "ops/elementwise/functors.h"

}  // namespace tilegrad
