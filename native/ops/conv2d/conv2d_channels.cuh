// Convolutions of few channels per group, for the conv2d kernels that choose, and what those with pooling share with them.
#pragma once

#include "core/cuda/cuda_device.h"
#include "ops/conv2d/conv2d_simt.cuh"

namespace tilegrad {

/// Enqueues the problem if its groups have few channels; T is float, double, f16 or bf16.
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvForward<T>& conv);
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvInputGrad<T>& conv);
template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv);

constexpr int kConvMost = 8;           // channels that a thread sums
constexpr int kConvMostWeights = 512;  // per channel

// weights[step * kConvMost + row] = weight of a row and a step of the group, from where the problem says.
template <class Problem, class Sum>
__device__ void load_weights(const Problem& part, Sum* weights) {
  const int depth = static_cast<int>(part.depth()), rows = static_cast<int>(part.rows());
  for (int i = threadIdx.x; i < depth * kConvMost; i += kConvThreads) {
    const int step = i / kConvMost, row = i % kConvMost;
    weights[i] = row < rows ? static_cast<Sum>(part.a(row, part.step(step))) : Sum(0);
  }
  __syncthreads();
}

}  // namespace tilegrad
