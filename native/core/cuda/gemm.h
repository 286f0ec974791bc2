// Matrix products on a CUDA stream: the tensor cores for 16-bit floats from sm_80 on (wgmma on sm_90a where there is work
// enough), for f32 where its precision allows tf32 or sums of two tf32 (3xTF32), else SIMT tiles.
#pragma once

#include "core/cpu/gemm.h"
#include "core/cuda/cuda_device.h"
#include "core/precision.h"

namespace tilegrad::cuda {

/// `first` for every matrix of the batch; T is float, double, f16 or bf16 (16-bit products are summed in f32).
/// `precision` is that of products of f32.
template <class T>
void gemm(CudaStream& stream, const Gemm<T>& first, const GemmBatch& batch,
          Float32Precision precision = Float32Precision::highest);

}  // namespace tilegrad::cuda
