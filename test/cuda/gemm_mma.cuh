// C = A B^T on tensor cores by mma.sync: 128x128 tile, 8 warps of 64x32, cp.async double buffer, ldmatrix.
// A K step is 64 bytes of each row: 32 elements in bf16 (f32 sums), 64 in int8 (s32 sums, exact).
// Rows are padded to 80 bytes, so that the 8 rows of an ldmatrix phase meet different banks.
#pragma once

#include "bugs.h"
#include "core/cuda/ptx.cuh"

namespace tilegrad::kernel_tests {

template <int ElementBytes>
struct Accumulator;
template <>
struct Accumulator<2> {
  using Type = float;
};
template <>
struct Accumulator<1> {
  using Type = int;
};

constexpr int kRowBytes = 64 + 16;
constexpr int kMmaSharedBytes = 4 * 128 * kRowBytes;

template <int ElementBytes, Bug bug>
__global__ void __launch_bounds__(256)
    gemm_mma(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b,
             typename Accumulator<ElementBytes>::Type* __restrict__ c, int m, int n, int k_bytes) {
  DYNAMIC_SHARED(unsigned char, shared);
  unsigned char* tile_a = shared;                        // (2, M, K bytes)
  unsigned char* tile_b = shared + 2 * 128 * kRowBytes;  // (2, N, K bytes)
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  const int warp_m = warp / 4 * 64, warp_n = warp % 4 * 32, m0 = blockIdx.y * 128,
            n0 = blockIdx.x * 128;
  typename Accumulator<ElementBytes>::Type sum[4][4][4] = {};

  auto load = [&](int stage, int k0) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int chunk = t + 256 * i, row = chunk / 4, byte = chunk % 4 * 16;
      const bool k_inside = k0 + byte < k_bytes;
      const bool a_inside = k_inside && m0 + row < m, b_inside = k_inside && n0 + row < n;
      const size_t a_at = a_inside ? static_cast<size_t>(m0 + row) * k_bytes + k0 + byte : 0;
      const size_t b_at = b_inside ? static_cast<size_t>(n0 + row) * k_bytes + k0 + byte : 0;
      ptx::cp_async_16(tile_a + (stage * 128 + row) * kRowBytes + byte, a + a_at, a_inside);
      ptx::cp_async_16(tile_b + (stage * 128 + row) * kRowBytes + byte, b + b_at, b_inside);
    }
    ptx::cp_async_commit();
  };

  const int steps = (k_bytes + 63) / 64;
  load(0, 0);
  for (int step = 0; step < steps; step++) {
    if (step + 1 < steps) {
      load((step + 1) & 1, (step + 1) * 64);
      ptx::cp_async_wait<bug == Bug::cp_async_wait ? 2 : 1>();
    } else {
      ptx::cp_async_wait<0>();
    }
    __syncthreads();
    const unsigned char* stage_a = tile_a + (step & 1) * 128 * kRowBytes;
    const unsigned char* stage_b = tile_b + (step & 1) * 128 * kRowBytes;
#pragma unroll
    for (int kk = 0; kk < 64; kk += 32) {
      uint32_t fragment_a[4][4], fragment_b[4][2];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        ptx::ldmatrix_x4(fragment_a[i],
                         stage_a + (warp_m + i * 16 + lane % 16) * kRowBytes + kk + lane / 16 * 16);
      }
#pragma unroll
      for (int j = 0; j < 2; j++) {
        uint32_t r[4];
        ptx::ldmatrix_x4(r, stage_b + (warp_n + j * 16 + lane % 8 + lane / 16 * 8) * kRowBytes +
                                kk + lane / 8 % 2 * 16);
        fragment_b[2 * j][0] = r[0];
        fragment_b[2 * j][1] = r[1];
        fragment_b[2 * j + 1][0] = r[2];
        fragment_b[2 * j + 1][1] = r[3];
      }
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
          if constexpr (ElementBytes == 2) {
            ptx::mma_m16n8k16_bf16(sum[i][j], fragment_a[i], fragment_b[j]);
          } else {
            ptx::mma_m16n8k32_s8(sum[i][j], fragment_a[i], fragment_b[j]);
          }
        }
      }
    }
    if constexpr (bug != Bug::barrier_before_reuse) __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int row = m0 + warp_m + i * 16 + lane / 4 + 8 * (e / 2);
        const int column = n0 + warp_n + j * 8 + lane % 4 * 2 + e % 2;
        if (row < m && column < n) c[static_cast<size_t>(row) * n + column] = sum[i][j][e];
      }
    }
  }
}

}  // namespace tilegrad::kernel_tests
