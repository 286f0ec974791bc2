// C = A B^T in bf16 on Hopper: 128x128x64 tile, a ring of 4 stages between one TMA producer warpgroup and
// two wgmma consumer warpgroups (64 rows each). Tiles are 128-byte swizzled, 1024-byte aligned.
#pragma once

#include "bugs.h"
#include "core/cuda/ptx_sm90.cuh"

namespace tilegrad::kernel_tests {

constexpr int kStages = 4;
constexpr int kTileBytes = 128 * 128;  // 128 rows of 64 bf16
struct RingStorage {
  alignas(1024) unsigned char a[kStages][kTileBytes];
  alignas(1024) unsigned char b[kStages][kTileBytes];
  uint64_t full[kStages], empty[kStages];
};

#if TILEGRAD_SM90A
template <Bug bug>
__device__ void produce(RingStorage& ring, const CUtensorMap& map_a, const CUtensorMap& map_b,
                        int m0, int n0, int steps) {
  for (int k = 0; k < steps; k++) {
    const int stage = k % kStages;
    if constexpr (bug != Bug::empty_slot_wait)
      ptx::mbarrier_wait(&ring.empty[stage], ((k / kStages) & 1) ^ 1);
    ptx::mbarrier_expect_bytes(&ring.full[stage], 2 * kTileBytes);
    ptx::tma_load_2d(ring.a[stage], &map_a, &ring.full[stage], k * 64, m0);
    ptx::tma_load_2d(ring.b[stage], &map_b, &ring.full[stage], k * 64, n0);
  }
}

template <Bug bug>
__device__ void consume(RingStorage& ring, float (&sum)[64], int group, int steps) {
  for (int k = 0; k < steps; k++) {
    const int stage = k % kStages;
    ptx::mbarrier_wait(&ring.full[stage], (k / kStages) & 1);
    const uint64_t a = ptx::descriptor_128b_swizzle(ring.a[stage] + group * 64 * 128);
    const uint64_t b = ptx::descriptor_128b_swizzle(ring.b[stage]);
    ptx::wgmma_fence();
#pragma unroll
    for (int i = 0; i < 4; i++)
      ptx::wgmma_m64n128k16_bf16(sum, a + i * 2, b + i * 2, 1);  // 32 bytes per k16
    ptx::wgmma_commit();
    ptx::wgmma_wait<bug == Bug::wgmma_wait ? 1 : 0>();
    if (threadIdx.x % 128 == 0) ptx::mbarrier_arrive(&ring.empty[stage]);
  }
  if constexpr (bug == Bug::wgmma_wait) ptx::wgmma_wait<0>();
}
#endif

template <Bug bug>
__global__ void __launch_bounds__(384, 1)
    gemm_wgmma(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
               float* __restrict__ c, int m, int n, int k) {
#if TILEGRAD_SM90A
  DYNAMIC_SHARED(RingStorage, ring);
  const int t = threadIdx.x, group = t / 128, m0 = blockIdx.y * 128, n0 = blockIdx.x * 128,
            steps = (k + 63) / 64;
  if (t == 0) {
    for (int i = 0; i < kStages; i++) {
      ptx::mbarrier_init(&ring->full[i], 1);
      ptx::mbarrier_init(&ring->empty[i], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (group == 0) {
    ptx::registers_decrease<40>();
    if (t == 0) produce<bug>(*ring, map_a, map_b, m0, n0, steps);
  } else {
    ptx::registers_increase<bug == Bug::registers_sum ? 240 : 232>();
    float sum[64];
#pragma unroll
    for (int i = 0; i < 64; i++) sum[i] = 0.0f;
    consume<bug>(*ring, sum, group - 1, steps);
    const int row = m0 + (group - 1) * 64 + t / 32 % 4 * 16 + t % 32 / 4;
#pragma unroll
    for (int i = 0; i < 64; i++) {
      const int r = row + 8 * (i % 4 / 2), column = n0 + i / 4 * 8 + t % 4 * 2 + i % 2;
      if (r < m && column < n) c[static_cast<size_t>(r) * n + column] = sum[i];
    }
  }
#endif
}

}  // namespace tilegrad::kernel_tests
