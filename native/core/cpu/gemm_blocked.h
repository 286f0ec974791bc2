// Matrix product in blocks: packed panels, 2-D tiles shared out by parallel_for.
#pragma once

#include "core/cpu/gemm_kernels.h"

namespace tilegrad {

void gemm_blocked(const Gemm<float>& g, const GemmKernels<float>& kernels);
void gemm_blocked(const Gemm<double>& g, const GemmKernels<double>& kernels);
void gemm_blocked(const Gemm<float, bf16>& g, const GemmKernels<float, bf16>& kernels);
void gemm_blocked(const Gemm<float, f16>& g, const GemmKernels<float, f16>& kernels);

// How `k` is cut: blocks of equal depth, at most `most`, but for the last.
struct DepthBlocks {
  int64_t count, depth;
};
DepthBlocks depth_blocks(int64_t k, int64_t most);

}  // namespace tilegrad
