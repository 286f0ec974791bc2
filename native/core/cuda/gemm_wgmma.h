// Matrix products on Hopper's warpgroup instructions, for the dispatcher of gemm.cu.
#pragma once

#include "core/cpu/gemm.h"
#include "core/cuda/cuda_device.h"

namespace tilegrad::cuda {

/// Enqueues the product if device, build and sizes suit; T is f16, bf16, or float, which is rounded to tf32.
template <class T>
bool try_gemm_wgmma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch);

}  // namespace tilegrad::cuda
