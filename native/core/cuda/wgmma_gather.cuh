// Tiles of C = A B on Hopper's tensor cores, sm_90a, whose operands are gathered in chunks of 16 bytes, as those of
// convolutions are: 128 x 128 by 3 warpgroups. The 128 threads of the first find the chunks and enqueue them by cp.async,
// two stages ahead of those that they hand over; the other two multiply 64 rows each by wgmma (wgmma_tile.cuh). An operand
// lies along K or, of 16-bit elements, along its lines, as for mma_tile.cuh.
#pragma once

#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

constexpr int kGatherColumns = 128, kGatherAhead = 2;
using GatherRing = WgmmaRing<kGatherColumns>;

#if TILEGRAD_SM90A

// Fills a stage of 128 lines in the 128-byte swizzle: rows of lines along K, or blocks of 64 lines with a row for each K.
template <class Operand, class E>
struct GatherFiller {
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kPer = 16 / static_cast<int>(sizeof(E)), kCount = 8, kLines = 128;
  static_assert(sizeof(E) == 2 || (kAlongK && sizeof(E) == 1));

  const Operand& operand;
  int outer, chunk;
  typename Operand::Line lines[kAlongK ? kCount : 1];

  __device__ GatherFiller(const Operand& from, int64_t line0)
      : operand(from),
        outer(static_cast<int>(threadIdx.x) / (kAlongK ? 8 : 16)),
        chunk(static_cast<int>(threadIdx.x) % (kAlongK ? 8 : 16)) {
    if constexpr (kAlongK) {
#pragma unroll
      for (int i = 0; i < kCount; i++) lines[i] = from.line(line0 + outer + i * 16);
    } else {
      lines[0] = from.line(line0 + chunk * kPer);
    }
  }

  __device__ void fill(unsigned char* tile, int k0, int end) const {
    if constexpr (kAlongK) {
      const auto step = operand.step(k0 + chunk * kPer, end);
#pragma unroll
      for (int i = 0; i < kCount; i++) {
        const int line = outer + i * 16;
        operand.copy(tile + line * kWgmmaStepBytes + (chunk ^ line % 8) * 16, lines[i], step);
      }
    } else {
      unsigned char* block = tile + chunk / 8 * 64 * kWgmmaStepBytes;
#pragma unroll
      for (int i = 0; i < kCount; i++) {
        const int k = outer + i * 8;
        operand.copy(block + k * kWgmmaStepBytes + (chunk % 8 ^ k % 8) * 16, lines[0],
                     operand.step(k0 + k, end));
      }
    }
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
  const GatherFiller<A, E> fill_a(a, line_a);
  const GatherFiller<B, E> fill_b(b, line_b);
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
