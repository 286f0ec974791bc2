// Convolutions of few channels per group, for the conv2d kernels that choose.
#pragma once

#include "core/cuda/cuda_device.h"
#include "ops/conv2d/conv2d_problems.cuh"

namespace tilegrad {

/// Enqueues the problem if its groups have few channels; T is float, double, f16 or bf16.
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvForward<T>& conv);
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvInputGrad<T>& conv);
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv);

}  // namespace tilegrad
