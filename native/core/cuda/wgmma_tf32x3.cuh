// 3xTF32 on Hopper's tensor cores, sm_90a: f32 operands as sums of two tf32 (mma_kinds.cuh), three products, tiles of
// 128 x 128 by wgmma_tile.cuh. wgmma takes A from registers, so the warpgroups that multiply split A's fragments there as
// they read them; B it takes from shared memory alone, so the three warps that do not load split each stage of B: the big
// part in place, the small one beside it. The tensor cores cut sums off instead of rounding them, so each stage (32 of K)
// is summed from zero, small products first, and then added in f32. Operands lie along K.
// Per stage: 3 * 2^20 multiply-adds against 16 KB of B read and 32 KB written by 96 threads.
#pragma once

#include "core/cuda/mma_kinds.cuh"
#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

struct Tf32x3Ring {
  static constexpr int kColumns = 128, kStages = 4, kLeavers = 4;
  unsigned char a[kStages][kWgmmaRows * kWgmmaStepBytes];
  unsigned char b[kStages][kColumns * kWgmmaStepBytes];  // as loaded, then the big parts
  unsigned char b_small[kStages][kColumns * kWgmmaStepBytes];
  uint64_t full[kStages], empty[kStages], split[kStages];
};

struct WgmmaTf32x3 {
  using Element = float;
  using Sum = float;
  using Ring = Tf32x3Ring;
  static constexpr int kColumns = 128;
  static constexpr bool kATransposed = false, kBTransposed = false;
};

#if TILEGRAD_SM90A

constexpr int kSplitWarps = 3;  // of the first warpgroup, those that do not load

__device__ inline void wgmma_init_more(Tf32x3Ring& ring) {
  for (uint64_t& barrier : ring.split) ptx::mbarrier_init(&barrier, kSplitWarps);
}

// Splits `depth` of K of B, in chunks of 16 bytes wherever the swizzle has put them.
__device__ inline void wgmma_prepare_tile(Tf32x3Ring& ring, RingPlace<Tf32x3Ring::kStages>& at,
                                          int depth) {
  constexpr int kChunks = Tf32x3Ring::kColumns * kWgmmaStepBytes / 16;
  for (int k = 0; k < depth; k += kWgmmaStepBytes / 4) {
    ptx::mbarrier_wait(&ring.full[at.stage], at.parity);
    auto* big = reinterpret_cast<uint4*>(ring.b[at.stage]);
    auto* small = reinterpret_cast<uint4*>(ring.b_small[at.stage]);
#pragma unroll 2
    for (int i = static_cast<int>(threadIdx.x) - 32; i < kChunks; i += kSplitWarps * 32) {
      const uint4 x = big[i];
      uint4 high, low;
      split_tf32(bits_to_float(x.x), high.x, low.x);
      split_tf32(bits_to_float(x.y), high.y, low.y);
      split_tf32(bits_to_float(x.z), high.z, low.z);
      split_tf32(bits_to_float(x.w), high.w, low.w);
      big[i] = high;
      small[i] = low;
    }
    ptx::fence_proxy_async();  // what was written here, to wgmma
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(&ring.split[at.stage]);
    at.advance();
  }
}

// This thread's part of 64 rows by 32 of K in the 128-byte swizzle, as wgmma reads A from registers: 4 steps of 8.
__device__ inline void load_split_rows(const unsigned char* tile, uint32_t (&big)[4][4],
                                       uint32_t (&small)[4][4]) {
  const int lane = threadIdx.x % 32, row = threadIdx.x % 128 / 32 * 16 + lane / 4;
#pragma unroll
  for (int step = 0; step < 4; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int r = row + i % 2 * 8, chunk = step * 2 + i / 2;
      const float x = *reinterpret_cast<const float*>(tile + r * kWgmmaStepBytes +
                                                      (chunk ^ r % 8) * 16 + lane % 4 * 4);
      split_tf32(x, big[step][i], small[step][i]);
    }
  }
}

// Sums and operands of wgmma are as they are to be, or as they are left.
__device__ inline void fence_all(float (&part)[64], uint32_t (&big)[4][4],
                                 uint32_t (&small)[4][4]) {
  ptx::accumulator_fence(part);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    ptx::accumulator_fence(big[i]);
    ptx::accumulator_fence(small[i]);
  }
}

template <class Kind>
__device__ void wgmma_sum_tile(Tf32x3Ring& ring, RingPlace<Tf32x3Ring::kStages>& at,
                               float (&sum)[64], int group, int depth, int cluster) {
  for (int k = 0; k < depth; k += kWgmmaStepBytes / 4) {
    uint32_t big[4][4], small[4][4];
    float part[64];
    ptx::mbarrier_wait(&ring.full[at.stage], at.parity);
    load_split_rows(ring.a[at.stage] + group * 64 * kWgmmaStepBytes, big, small);
    ptx::mbarrier_wait(&ring.split[at.stage], at.parity);
    const uint64_t b = wgmma_tile<false>(ring.b[at.stage]);
    const uint64_t b_small = wgmma_tile<false>(ring.b_small[at.stage]);
#pragma unroll
    for (int i = 0; i < 64; i++) part[i] = 0;
    fence_all(part, big, small);
    ptx::wgmma_fence();
#pragma unroll
    for (int i = 0; i < 4; i++)
      ptx::wgmma_m64n128k8_tf32_registers(part, small[i], b + i * 2, i > 0);
#pragma unroll
    for (int i = 0; i < 4; i++)
      ptx::wgmma_m64n128k8_tf32_registers(part, big[i], b_small + i * 2, 1);
#pragma unroll
    for (int i = 0; i < 4; i++) ptx::wgmma_m64n128k8_tf32_registers(part, big[i], b + i * 2, 1);
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    fence_all(part, big, small);
    wgmma_leave_stage(ring, at.stage, cluster);
    at.advance();
#pragma unroll
    for (int i = 0; i < 64; i++) sum[i] += part[i];
  }
}

#endif

}  // namespace tilegrad::cuda
