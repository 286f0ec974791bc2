// Convolutions on tensor cores, for the conv2d kernels that choose between them and SIMT.
#pragma once

#include "core/cuda/cuda_device.h"
#include "ops/conv2d/conv2d_problems.cuh"

namespace tilegrad {

/// Whether the device and the sizes suit the tensor cores; f32 needs leave to round to tf32.
template <class T>
bool conv2d_mma_takes(const cuda::CudaStream& stream, const ConvSizes& sizes, bool tf32);

/// Enqueues the product of one of the three problems; T is float, f16 or bf16.
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvForward<T>& conv);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv);

}  // namespace tilegrad
