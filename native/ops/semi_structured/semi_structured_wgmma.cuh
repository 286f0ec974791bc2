// The product of semi_structured_cuda.cu on Hopper, sm_90a: W x^T by wgmma.sp, tiles of 128 rows of W by 128 rows of x
// over wgmma_tile.cuh. A stage is 128 places of K: the 64 that are kept of each row of W, 16 bytes of their indices, and
// the row of x in two halves. TMA brings all three; the indices go from shared memory to the registers that the
// instruction reads. Results leave transposed, by stmatrix, as rows of y. Limits: K a multiple of 128, rows start on 16
// bytes, those of y too.
#pragma once

#include "core/cuda/wgmma_store.cuh"

namespace tilegrad {

struct SparseRing {
  static constexpr int kColumns = 128, kStages = 3, kLeavers = 4, kIndexBytes = 16;
  unsigned char a[kStages][128 * 128];     // (rows of W, 64 kept)
  unsigned char b[kStages][2][128 * 128];  // (half, rows of x, 64 places)
  unsigned char indices[kStages][128 * kIndexBytes];
  uint64_t full[kStages], empty[kStages];
};

template <class T>
struct WgmmaSparse {
  using Element = T;
  using Sum = float;
  using Ring = SparseRing;
  static constexpr int kColumns = 128;
  static constexpr int kStep = 128;  // places of K
};

struct SparseMaps {
  const CUtensorMap *values, *x, *indices;
};

// y (m, n) with its bias (n), or null.
template <class T>
struct SparseOutput {
  const T* bias;
  T* y;
  int64_t n, m;
};

#if TILEGRAD_SM90A

__device__ inline void wgmma_init_more(SparseRing&) {}
template <class Place>
__device__ void wgmma_prepare_tile(SparseRing&, Place&, int) {}

template <class Kind>
__device__ void wgmma_load_tile(SparseRing& ring, cuda::RingPlace<SparseRing::kStages>& at,
                                const SparseMaps& maps, const GemmBatch&,
                                const cuda::WgmmaPlan& plan, const cuda::WgmmaUnit& unit,
                                int rank) {
  const int row = static_cast<int>(unit.row), column = static_cast<int>(unit.column);
  const unsigned ranks = plan.cluster == 1 ? 0 : 3;
  for (int k = unit.begin; k < unit.end; k += Kind::kStep) {
    ptx::mbarrier_wait(&ring.empty[at.stage], at.parity ^ 1);
    uint64_t* full = &ring.full[at.stage];
    ptx::mbarrier_expect_bytes(full, 3 * 128 * 128 + 128 * SparseRing::kIndexBytes);
    ptx::tma_load_2d(ring.a[at.stage], maps.values, full, k / 2, row);
    ptx::tma_load_2d(ring.indices[at.stage], maps.indices, full, k / 8, row);
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (plan.cluster == 1 || half == rank)
        cuda::load_lines<false, 128>(ring.b[at.stage][half], maps.x, full, k + half * 64, column,
                                     ranks);
    at.advance();
  }
}

// What wgmma.sp takes for 32 places of this warp's 16 rows: lanes 4 g and 4 g + 1 (and, unread, their neighbours) have
// 16 places each, row g below row g + 8.
__device__ inline uint32_t staged_indices(const unsigned char* tile, int row0, int step) {
  const int lane = threadIdx.x % 32, row = row0 + threadIdx.x % 128 / 32 * 16 + lane / 4;
  const unsigned char* from = tile + row * SparseRing::kIndexBytes + step * 4 + lane % 2 * 2;
  const uint32_t low = *reinterpret_cast<const uint16_t*>(from);
  const uint32_t high = *reinterpret_cast<const uint16_t*>(from + 8 * SparseRing::kIndexBytes);
  return low | high << 16;
}

template <class Kind>
__device__ void wgmma_sum_tile(SparseRing& ring, cuda::RingPlace<SparseRing::kStages>& at,
                               float (&sum)[64], int group, int depth, int cluster) {
  for (int k = 0; k < depth; k += Kind::kStep) {
    ptx::mbarrier_wait(&ring.full[at.stage], at.parity);
    uint32_t indices[4];
#pragma unroll
    for (int i = 0; i < 4; i++) indices[i] = staged_indices(ring.indices[at.stage], group * 64, i);
    const uint64_t a = ptx::descriptor_128b_swizzle(ring.a[at.stage] + group * 64 * 128);
    ptx::accumulator_fence(sum);
    ptx::accumulator_fence(indices);
    ptx::wgmma_fence();
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const uint64_t b = ptx::descriptor_128b_swizzle(ring.b[at.stage][i / 2]) + i % 2 * 4;
      if constexpr (std::is_same_v<typename Kind::Element, bf16>)
        ptx::wgmma_sp_m64n128k32_bf16(sum, a + i * 2, b, indices[i], k > 0 || i > 0);
      else
        ptx::wgmma_sp_m64n128k32_f16(sum, a + i * 2, b, indices[i], k > 0 || i > 0);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<
        0>();  // the indices are read until then; meanwhile the other warpgroup multiplies
    ptx::accumulator_fence(sum);
    ptx::accumulator_fence(indices);
    cuda::wgmma_leave_stage(ring, at.stage, cluster);
    at.advance();
  }
}

// 64 rows of W by 64 rows of x of a warpgroup's sums into `tile`, as 64 rows of y of 128 bytes.
template <class T, int Chunk>
__device__ void stage_transposed(unsigned char* tile, const float (&sum)[64],
                                 const SparseOutput<T>& out, int64_t row0) {
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x % 128 / 32 * 16;
  float bias[2] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t row = row0 + warp_row + lane / 4 + half * 8;
    if (out.bias != nullptr && row < out.n) bias[half] = static_cast<float>(out.bias[row]);
  }
#pragma unroll
  for (int column = 0; column < 64; column += 16) {
    uint32_t r[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int at = (Chunk * 64 + column + i / 2 * 8) / 2 + i % 2 * 2;
      const cuda::Pair<T> values = {
          {static_cast<T>(sum[at] + bias[i % 2]), static_cast<T>(sum[at + 1] + bias[i % 2])}};
      memcpy(&r[i], &values, 4);
    }
    const int y_row = column + lane / 16 * 8 + lane % 8;
    ptx::stmatrix_x4_trans(tile + cuda::staged_offset(y_row, (warp_row + lane / 8 % 2 * 8) * 2), r);
  }
}

template <class T, int Chunk>
__device__ void store_transposed(unsigned char (&staged)[2][cuda::kStagedBytes], int& turn,
                                 const float (&sum)[64], const SparseOutput<T>& out,
                                 const CUtensorMap& map, int64_t row0, int64_t column0) {
  const int64_t first = column0 + Chunk * 64;  // row of y
  if (row0 >= out.n || first >= out.m) return;
  unsigned char* tile = staged[turn++ % 2];
  stage_transposed<T, Chunk>(tile, sum, out, row0);
  cuda::store_staged(tile, map, static_cast<int>(row0), static_cast<int>(first));
}

#endif

template <class T>
__global__ void __launch_bounds__(cuda::kWgmmaThreads, 1)
    semi_structured_wgmma(const __grid_constant__ CUtensorMap map_values,
                          const __grid_constant__ CUtensorMap map_x,
                          const __grid_constant__ CUtensorMap map_indices,
                          const __grid_constant__ CUtensorMap map_y, const SparseOutput<T> out,
                          const cuda::WgmmaPlan plan) {
#if TILEGRAD_SM90A
  DYNAMIC_SHARED(cuda::WgmmaShared<SparseRing>, shared);
  int turn = 0;
  cuda::wgmma_product<WgmmaSparse<T>>(
      shared->ring, SparseMaps{&map_values, &map_x, &map_indices}, GemmBatch{}, plan,
      [&](const cuda::WgmmaUnit& unit, int64_t row0, const float(&sum)[64]) {
        auto& staged = shared->staged[threadIdx.x / 128 - 1];
        store_transposed<T, 0>(staged, turn, sum, out, map_y, row0, unit.column);
        store_transposed<T, 1>(staged, turn, sum, out, map_y, row0, unit.column);
      },
      [] { cuda::store_finish(); });
#endif
}

}  // namespace tilegrad
