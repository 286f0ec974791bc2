// Convolutions on tensor cores, for the conv2d kernels that choose between them and SIMT.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/precision.h"
#include "ops/conv2d/conv2d_problems.cuh"

namespace tilegrad {

/// Whether the device, the sizes and, for f32, the precision suit the tensor cores.
template <class T>
bool conv2d_mma_takes(const cuda::CudaStream& stream, const ConvSizes& sizes,
                      Float32Precision precision);

/// Enqueues the product of one of the three problems; T is float, f16 or bf16.
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvForward<T>& conv, Float32Precision precision);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv, Float32Precision precision);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv,
                Float32Precision precision);

}  // namespace tilegrad
