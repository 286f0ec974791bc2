// C = A B in f32: a block of 256 threads computes a 64x64 tile in K steps of 16, 4x4 per thread.
#pragma once

#include "bugs.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::kernel_tests {

template <Bug bug, int Pad>
__global__ void __launch_bounds__(256)
    gemm_tiled(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c,
               int m, int n, int k) {
  SHARED_ARRAY(tile_a, float[16][64 + Pad]);  // (K, M)
  SHARED_ARRAY(tile_b, float[16][64]);        // (K, N)
  const int t = threadIdx.x, column = t % 16 * 4, row = t / 16 * 4;
  const int m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
  constexpr int kWritten = bug == Bug::tile_not_written ? 15 : 16;
  float sum[4][4] = {};  // (M, N)
  for (int k0 = 0; k0 < k; k0 += 16) {
    for (int i = t; i < 64 * kWritten; i += 256) {
      const int r = i / kWritten, s = i % kWritten;
      const bool inside = m0 + r < m && (bug == Bug::load_out_of_bounds || k0 + s < k);
      tile_a[s][r] = inside ? a[static_cast<size_t>(m0 + r) * k + k0 + s] : 0.0f;
    }
    for (int i = t; i < 16 * 64; i += 256) {
      const int s = i / 64, r = i % 64;
      tile_b[s][r] = k0 + s < k && n0 + r < n ? b[static_cast<size_t>(k0 + s) * n + n0 + r] : 0.0f;
    }
    if constexpr (bug != Bug::barrier_before_reads) __syncthreads();
#pragma unroll
    for (int s = 0; s < 16; s++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] += tile_a[s][row + i] * tile_b[s][column + j];
      }
    }
    if constexpr (bug != Bug::barrier_after_reads) __syncthreads();
  }
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) {
      const int r = m0 + row + i, s = n0 + column + j;
      if (bug == Bug::store_out_of_bounds ? r < m + 1 && s < n : r < m && s < n) {
        c[static_cast<size_t>(r) * n + s] = sum[i][j];
      }
    }
  }
}

}  // namespace tilegrad::kernel_tests
