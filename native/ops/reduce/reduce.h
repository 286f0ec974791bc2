// What the OpDefs and the kernels of the reductions share.
#pragma once

#include "core/dim_mask.h"
#include "core/op.h"
#include "ops/reduce/reduce_kernels.h"

namespace tilegrad {

/// Runs `kernel` over input 0 into output 0 and, where `indices` is not null, there.
void reduce_cpu(KernelArgs& args, const ReduceKernel& kernel, ReduceFinish how, void* out,
                int64_t* indices);

}  // namespace tilegrad
