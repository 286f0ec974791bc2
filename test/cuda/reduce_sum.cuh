// Sum of a vector: grid-stride partial sums, warp shuffles, then one atomicAdd per block, or a second
// stage in the block that finishes last.
#pragma once

#include "bugs.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::kernel_tests {

template <Bug bug>
__device__ float block_sum(float value, float (&partial)[8]) {
  const int t = threadIdx.x;
  for (int o = 16; o > 0; o /= 2) value += __shfl_xor_sync(kFullWarp, value, o);
  if (t % 32 == 0) partial[t / 32] = value;
  if (bug != Bug::barrier_in_branch || t < 128) __syncthreads();
  float sum = 0;
  if (t < 32) {
    sum = t < 8 ? partial[t] : 0.0f;
    if (bug != Bug::shuffle_in_branch || t < 8) {
      for (int o = 4; o > 0; o /= 2) sum += __shfl_xor_sync(kFullWarp, sum, o);
    }
  }
  return sum;
}

template <Bug bug>
__global__ void __launch_bounds__(256)
    reduce_atomic(const float* __restrict__ x, float* out, int n) {
  SHARED_ARRAY(partial, float[8]);
  float sum = 0;
  for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) sum += x[i];
  sum = block_sum<bug>(sum, partial);
  if (threadIdx.x == 0) atomicAdd(out, sum);
}

template <Bug bug>
__global__ void __launch_bounds__(256) reduce_last_block(const float* __restrict__ x, float* sums,
                                                         float* out, unsigned* ticket, int n) {
  SHARED_ARRAY(partial, float[8]);
  SHARED_ARRAY(last, int[1]);
  float sum = 0;
  for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) sum += x[i];
  sum = block_sum<bug>(sum, partial);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = sum;
    if constexpr (bug != Bug::threadfence) __threadfence();
    last[0] = atomicAdd(ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last[0] && threadIdx.x == 0) {
    if constexpr (bug != Bug::threadfence) __threadfence();
    float total = 0;
    for (unsigned i = 0; i < gridDim.x; i++) total += sums[i];
    *out = total;
    atomicExch(ticket, 0u);
  }
}

}  // namespace tilegrad::kernel_tests
