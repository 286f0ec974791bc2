// C = A B^T in bf16 on Hopper by clusters of 2 blocks, one above the other: 128x128x64 tiles, a ring of 3 stages. Each
// block loads its rows of A and half of the rows of B, which it multicasts to both; a slot is free when the consumers of
// both blocks have left it. Each cluster takes two tiles, one beside the other; the results go through stmatrix into a
// swizzled tile of shared memory and from there by TMA. One consumer warpgroup takes both halves of 64 rows in turn.
#pragma once

#include "bugs.h"
#include "core/cuda/ptx_cluster.cuh"
#include "core/cuda/ptx_store.cuh"

namespace tilegrad::kernel_tests {

constexpr int kClusterStages = 3, kClusterTiles = 2;
struct ClusterStorage {
  alignas(1024) unsigned char a[kClusterStages][128 * 128];
  alignas(1024) unsigned char b[kClusterStages][128 * 128];
  alignas(1024) unsigned char c[2][128 * 128];  // 128 rows of 64 columns each
  uint64_t full[kClusterStages], empty[kClusterStages];
};

#if TILEGRAD_SM90A
__device__ inline uint32_t bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, 4);
  return word;
}

template <Bug bug>
__device__ void produce_multicast(ClusterStorage& s, const CUtensorMap& map_a,
                                  const CUtensorMap& map_b, int m0, int n0, int steps) {
  const int rank = ptx::cluster_rank();
  for (int k = 0; k < steps * kClusterTiles; k++) {
    const int stage = k % kClusterStages, column = (k % steps) * 64, tile = k / steps;
    if constexpr (bug != Bug::multicast_empty_wait)
      ptx::mbarrier_wait(&s.empty[stage], ((k / kClusterStages) & 1) ^ 1);
    ptx::mbarrier_expect_bytes(&s.full[stage], 2 * 128 * 128);
    ptx::tma_load_2d(s.a[stage], &map_a, &s.full[stage], column, m0);
    ptx::tma_load_2d_multicast(s.b[stage] + rank * 64 * 128, &map_b, &s.full[stage], column,
                               n0 + tile * 128 + rank * 64, 3);
  }
}

// Rows `half` * 64 .. + 64 of the tile, rounded to bf16, into s.c: 16 x 16 elements at a time.
__device__ inline void stage_results(ClusterStorage& s, const float (&sum)[64], int half) {
  const int warp = threadIdx.x % 128 / 32, lane = threadIdx.x % 32;
  const int row = half * 64 + warp * 16 + lane / 8 % 2 * 8 + lane % 8;
#pragma unroll
  for (int j = 0; j < 16; j += 2) {
    uint32_t r[4];
    for (int i = 0; i < 4; i++) {
      const int at = 4 * (j + i / 2) + 2 * (i % 2);
      r[i] = bf16_pair(sum[at], sum[at + 1]);
    }
    const int column = j * 8 + lane / 16 * 8;
    const uint32_t offset = row * 128 + column % 64 * 2;
    ptx::stmatrix_x4(s.c[column / 64] + (offset ^ ((offset >> 7 & 7) << 4)), r);
  }
}

template <Bug bug>
__device__ void consume_multicast(ClusterStorage& s, const CUtensorMap& map_c, int m0, int n0,
                                  int steps) {
  const int t = threadIdx.x % 128;
  for (int tile = 0; tile < kClusterTiles; tile++) {
    float low[64], high[64];
    for (int i = 0; i < 64; i++) low[i] = high[i] = 0.0f;
    for (int k = tile * steps; k < (tile + 1) * steps; k++) {
      const int stage = k % kClusterStages;
      ptx::mbarrier_wait(&s.full[stage], (k / kClusterStages) & 1);
      const uint64_t b = ptx::descriptor_128b_swizzle(s.b[stage]);
      const uint64_t a = ptx::descriptor_128b_swizzle(s.a[stage]);
      ptx::wgmma_fence();
#pragma unroll
      for (int i = 0; i < 4; i++) {
        ptx::wgmma_m64n128k16_bf16(low, a + i * 2, b + i * 2, 1);
        ptx::wgmma_m64n128k16_bf16(high, a + 64 * 128 / 16 + i * 2, b + i * 2, 1);
      }
      ptx::wgmma_commit();
      ptx::wgmma_wait<0>();
      if (t < 2) ptx::mbarrier_arrive_remote(&s.empty[stage], t);
    }
    if constexpr (bug != Bug::store_wait_read) {
      if (t == 0) ptx::tma_store_wait_read<0>();
    }
    ptx::barrier_sync(1, 128);
    stage_results(s, low, 0);
    stage_results(s, high, 1);
    if constexpr (bug != Bug::proxy_fence) ptx::fence_proxy_async();
    ptx::barrier_sync(1, 128);
    if (t == 0) {
      for (int half = 0; half < 2; half++)
        ptx::tma_store_2d(&map_c, n0 + tile * 128 + half * 64, m0, s.c[half]);
      ptx::tma_store_commit();
    }
  }
  if (t == 0) ptx::tma_store_wait<0>();
}
#endif

template <Bug bug>
__global__ void __launch_bounds__(256, 1)
    gemm_cluster(const __grid_constant__ CUtensorMap map_a,
                 const __grid_constant__ CUtensorMap map_b,
                 const __grid_constant__ CUtensorMap map_c, int k) {
#if TILEGRAD_SM90A
  DYNAMIC_SHARED(ClusterStorage, s);
  const int t = threadIdx.x, steps = (k + 63) / 64;
  const int m0 = blockIdx.y * 128, n0 = blockIdx.x * 128 * kClusterTiles;
  if (t == 0) {
    for (int i = 0; i < kClusterStages; i++) {
      ptx::mbarrier_init(&s->full[i], 1);
      ptx::mbarrier_init(&s->empty[i], 2);  // the consumers of both blocks
    }
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (t < 128) {
    if (t == 0) produce_multicast<bug>(*s, map_a, map_b, m0, n0, steps);
  } else {
    consume_multicast<bug>(*s, map_c, m0, n0, steps);
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
#endif
}

// out[block of the cluster] = sum over the cluster of the first element of each block's part of x, read from its peers.
template <Bug bug>
__global__ void __launch_bounds__(128)
    sum_cluster(const float* __restrict__ x, float* __restrict__ out) {
#if defined(TILEGRAD_CUDA_EMULATED) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  SHARED_ARRAY(part, float[128]);
  part[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  ptx::cluster_arrive();
  ptx::cluster_wait();
  float sum = 0;
  const int rank = ptx::cluster_rank();
  for (int step = 0; step < 4; step++) {
    const auto* peer = static_cast<const float*>(ptx::cluster_address(part, (rank + step) % 4));
    sum += peer[threadIdx.x];
  }
  out[blockIdx.x * 128 + threadIdx.x] = sum;
  if constexpr (bug != Bug::cluster_exit) {
    ptx::cluster_arrive();
    ptx::cluster_wait();
  }
#endif
}

}  // namespace tilegrad::kernel_tests
