// Tiles of C = A B on Hopper's tensor cores, sm_90a, whose operands are gathered in chunks of 16 bytes, as those of
// convolutions are: 128 x 128 by 3 warpgroups. The 128 threads of the first find the chunks and enqueue them by cp.async,
// two stages ahead of those that they hand over; the other two multiply 64 rows each by wgmma (wgmma_tile.cuh). An operand
// lies along K or, of 16-bit elements, along its lines, as for mma_tile.cuh.
#pragma once

#include "core/cuda/tile_filler.cuh"
#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

constexpr int kGatherColumns = 128, kGatherAhead = 2;
using GatherRing = WgmmaRing<kGatherColumns>;

#if TILEGRAD_SM90A

// A stage of 128 lines in the 128-byte swizzle: rows of lines along K, or blocks of 64 lines with a row for each K.
template <class Operand, class E>
struct GatherTile {
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kThreads = 128, kPer = 16 / static_cast<int>(sizeof(E));
  static constexpr int kChunks = kAlongK ? 8 : 16, kCount = 8;
  static_assert(sizeof(E) == 2 || (kAlongK && sizeof(E) == 1));
  __device__ static int at(int outer, int chunk) {
    return (chunk / 8 * 64 + outer) * kWgmmaStepBytes + (chunk % 8 ^ outer % 8) * 16;
  }
};

__device__ inline void gather_ring_init(GatherRing& ring) {
  if (threadIdx.x == 0) {
    for (int i = 0; i < GatherRing::kStages; i++) {
      ptx::mbarrier_init(&ring.full[i], 128);
      ptx::mbarrier_init(&ring.empty[i], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
}

// The first warpgroup's part of a tile, k in [begin, end).
template <class E, class A, class B>
__device__ void gather_load(GatherRing& ring, RingPlace<GatherRing::kStages>& at, const A& a,
                            const B& b, int64_t line_a, int64_t line_b, int begin, int end) {
  constexpr int kStep = kWgmmaStepBytes / static_cast<int>(sizeof(E));
  const TileFiller<A, GatherTile<A, E>> fill_a(a, line_a);
  const TileFiller<B, GatherTile<B, E>> fill_b(b, line_b);
  RingPlace<GatherRing::kStages> landed = at;
  const auto hand_over = [&] {
    ptx::fence_proxy_async();  // what cp.async wrote, to wgmma
    ptx::mbarrier_arrive(&ring.full[landed.stage]);
    landed.advance();
  };
  int ahead = 0;
#pragma unroll 1
  for (int k = begin; k < end; k += kStep) {
    if (threadIdx.x % 32 == 0) ptx::mbarrier_wait(&ring.empty[at.stage], at.parity ^ 1);
    __syncwarp();
    fill_a.fill(ring.a[at.stage], k, end);
    fill_b.fill(ring.b[at.stage], k, end);
    ptx::cp_async_commit();
    at.advance();
    if (++ahead <= kGatherAhead) continue;
    ptx::cp_async_wait<kGatherAhead>();
    hand_over();
    ahead--;
  }
  ptx::cp_async_wait<0>();
  for (; ahead > 0; ahead--) hand_over();
}

#endif

}  // namespace tilegrad::cuda
