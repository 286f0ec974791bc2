// Room that a kernel of the CPU needs beside its outputs: from the pool, so that the memory limit counts it, and given back
// once the call is enqueued, for calls behind it to reuse. (CUDA kernels are launched by the thread that allocates, and ask
// for theirs themselves.)
#pragma once

#include "core/op.h"

namespace tilegrad {

/// In the place of InferContext::Output::alias: not given to the caller.
inline constexpr int kWorkspaceAlias = -2;

/// For the end of an infer function: `elements` floats, on the CPU.
inline void request_workspace(InferContext& ctx, int64_t elements) {
  if (elements <= 0 || ctx.device->is_cuda()) return;
  ctx.output(Shape{elements}, DType::f32);
  ctx.outputs[ctx.output_count - 1].alias = kWorkspaceAlias;
}

/// What infer has asked for.
inline float* workspace(const KernelArgs& args) {
  return args.outputs[args.output_count - 1].as<float>();
}

}  // namespace tilegrad
