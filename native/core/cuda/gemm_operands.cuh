// What the matrix product kernels share: operands with any strides, batches, and the epilogue.
#pragma once

#include <cstdint>

#include "core/cpu/gemm.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

// Batches are numbered row-major over their dimensions.
__device__ inline int64_t batch_offset(const GemmBatch& batch, int64_t index,
                                       const int64_t (&strides)[8]) {
  int64_t offset = 0;
  for (int d = batch.rank - 1; d >= 0; d--) {
    offset += index % batch.size[d] * strides[d];
    index /= batch.size[d];
  }
  return offset;
}

inline int64_t batch_count(const GemmBatch& batch) {
  int64_t count = 1;
  for (int d = 0; d < batch.rank; d++) count *= batch.size[d];
  return count;
}

// C[row, column] from its sum: what it held, bias, ReLU, then the rounding to T. A NaN survives the ReLU.
template <class T, class Sum>
__device__ void store_result(const Gemm<T>& g, T* c, int64_t row, int64_t column, Sum sum) {
  T& out = c[row * g.c_row + column];
  if (g.accumulate) sum += static_cast<Sum>(out);
  if (g.bias_axis == BiasAxis::row) sum += static_cast<Sum>(g.bias[row]);
  if (g.bias_axis == BiasAxis::col) sum += static_cast<Sum>(g.bias[column]);
  if (g.relu && sum < Sum(0)) sum = Sum(0);
  out = static_cast<T>(sum);
}

}  // namespace tilegrad::cuda
