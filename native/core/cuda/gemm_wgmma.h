// Matrix products on Hopper's warpgroup instructions, for the dispatcher of gemm.cu.
#pragma once

#include "core/cpu/gemm.h"
#include "core/cuda/cuda_device.h"
#include "core/precision.h"

namespace tilegrad::cuda {

/// Enqueues the product if device, build and sizes suit; T is f16, bf16, or float at a precision below highest.
template <class T>
bool try_gemm_wgmma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch,
                    Float32Precision precision);

}  // namespace tilegrad::cuda
