// Tiles of C = A B on Hopper's tensor cores, sm_90a, for matrix products of floats and of bytes. Persistent blocks of 3
// warpgroups take tiles of 128 x Columns in turn: one thread of the first fills a ring of stages, 128 bytes of K deep,
// by TMA; the other two multiply 64 rows each by wgmma and store, while the ring already fills for the next tile. An
// operand of 16-bit elements may lie along its rows (blocks of 64 rows); others lie along K. Batches are folded into the
// coordinates. Tiles are numbered in groups of 8 rows for L2. Sums run over K in order.
#pragma once

#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/ptx_sm90.cuh"
#include "core/cuda/tile_place.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

constexpr int kWgmmaThreads = 384, kWgmmaRows = 128, kWgmmaStepBytes = 128;
constexpr int kWgmmaRegistersLoad = 40, kWgmmaRegistersMultiply = 232;

template <int Columns>
struct WgmmaRing {
  static constexpr int kStages = Columns == 256 ? 4 : 6;
  unsigned char a[kStages][kWgmmaRows * kWgmmaStepBytes];
  unsigned char b[kStages][Columns * kWgmmaStepBytes];
  uint64_t full[kStages], empty[kStages];
};

// How an operand's boxes are found: a batch dimension moves `line` or `k` by a whole number of rows of the map.
struct WgmmaOperand {
  int64_t line[8] = {}, k[8] = {};
};

struct WgmmaPlan {
  int64_t batches = 1;
  WgmmaOperand a, b;
};

// Where a block's ring stands; it goes on from tile to tile.
template <int Stages>
struct RingPlace {
  int stage = 0, parity = 0;
  __device__ void advance() {
    if (++stage == Stages) stage = 0, parity ^= 1;
  }
};

// Kinds add 32 bytes of K to the sums of 64 rows.
template <class E, int N, bool ATrans = false, bool BTrans = false>
struct WgmmaFloats {
  using Element = E;
  using Sum = float;
  static constexpr int kColumns = N;
  static constexpr bool kATransposed = ATrans, kBTransposed = BTrans;
  __device__ static void multiply(float (&sum)[N / 2], uint64_t a, uint64_t b, int scale) {
#if TILEGRAD_SM90A
    if constexpr (std::is_same_v<E, bf16> && N == 256)
      ptx::wgmma_m64n256k16_bf16<ATrans, BTrans>(sum, a, b, scale);
    else if constexpr (std::is_same_v<E, bf16>)
      ptx::wgmma_m64n128k16_bf16<ATrans, BTrans>(sum, a, b, scale);
    else if constexpr (std::is_same_v<E, f16> && N == 256)
      ptx::wgmma_m64n256k16_f16<ATrans, BTrans>(sum, a, b, scale);
    else if constexpr (std::is_same_v<E, f16>)
      ptx::wgmma_m64n128k16_f16<ATrans, BTrans>(sum, a, b, scale);
    else if constexpr (N == 256)
      ptx::wgmma_m64n256k8_tf32(sum, a, b, scale);
    else
      ptx::wgmma_m64n128k8_tf32(sum, a, b, scale);
#endif
  }
};

template <bool ASigned, bool BSigned>
struct WgmmaBytes {
  using Element = uint8_t;
  using Sum = int32_t;
  static constexpr int kColumns = 256;
  static constexpr bool kATransposed = false, kBTransposed = false;
  __device__ static void multiply(int32_t (&sum)[128], uint64_t a, uint64_t b, int scale) {
#if TILEGRAD_SM90A
    if constexpr (ASigned && BSigned)
      ptx::wgmma_m64n256k32_s8(sum, a, b, scale);
    else if constexpr (BSigned)
      ptx::wgmma_m64n256k32_u8s8(sum, a, b, scale);
    else if constexpr (ASigned)
      ptx::wgmma_m64n256k32_s8u8(sum, a, b, scale);
    else
      ptx::wgmma_m64n256k32_u8(sum, a, b, scale);
#endif
  }
};

#if TILEGRAD_SM90A

// Enqueues one stage of an operand: lines from `line` on along K, or blocks of 64 lines along their rows.
template <bool Transposed, int Lines>
__device__ void load_lines(unsigned char* to, const CUtensorMap* map, uint64_t* barrier, int k,
                           int line) {
  if constexpr (Transposed) {
#pragma unroll
    for (int block = 0; block < Lines / 64; block++)
      ptx::tma_load_2d(to + block * 64 * kWgmmaStepBytes, map, barrier, line + block * 64, k);
  } else {
    ptx::tma_load_2d(to, map, barrier, k, line);
  }
}

template <class Kind, int Columns>
__device__ void wgmma_load_tile(WgmmaRing<Columns>& ring,
                                RingPlace<WgmmaRing<Columns>::kStages>& at,
                                const CUtensorMap& map_a, const CUtensorMap& map_b, int line_a,
                                int k_a, int line_b, int k_b, int depth) {
  constexpr int kStep = kWgmmaStepBytes / static_cast<int>(sizeof(typename Kind::Element));
  for (int k = 0; k < depth; k += kStep) {
    ptx::mbarrier_wait(&ring.empty[at.stage], at.parity ^ 1);
    uint64_t* full = &ring.full[at.stage];
    ptx::mbarrier_expect_bytes(full, (kWgmmaRows + Columns) * kWgmmaStepBytes);
    load_lines<Kind::kATransposed, kWgmmaRows>(ring.a[at.stage], &map_a, full, k_a + k, line_a);
    load_lines<Kind::kBTransposed, Columns>(ring.b[at.stage], &map_b, full, k_b + k, line_b);
    at.advance();
  }
}

// The descriptor of a tile, and how far it moves for 32 bytes of K (in 16 bytes).
template <bool Transposed>
__device__ uint64_t wgmma_tile(const unsigned char* tile) {
  return Transposed ? ptx::descriptor_128b_swizzle_rows(tile, 64 * kWgmmaStepBytes)
                    : ptx::descriptor_128b_swizzle(tile);
}
template <bool Transposed>
constexpr int kWgmmaAdvance = Transposed ? 16 * kWgmmaStepBytes / 16 : 2;

// The sums of one tile's 64 rows of warpgroup `group`. A stage is given back once the next one's products are enqueued.
template <class Kind, int Columns>
__device__ void wgmma_sum_tile(WgmmaRing<Columns>& ring, RingPlace<WgmmaRing<Columns>::kStages>& at,
                               typename Kind::Sum (&sum)[Columns / 2], int group, int depth) {
  constexpr int kStep = kWgmmaStepBytes / static_cast<int>(sizeof(typename Kind::Element));
  const bool arrives = threadIdx.x % 128 == 0;
  int before = -1;
  ptx::accumulator_fence(sum);
  for (int k = 0; k < depth; k += kStep) {
    ptx::mbarrier_wait(&ring.full[at.stage], at.parity);
    // 64 rows of either layout are 8 KB.
    const uint64_t a =
        wgmma_tile<Kind::kATransposed>(ring.a[at.stage] + group * 64 * kWgmmaStepBytes);
    const uint64_t b = wgmma_tile<Kind::kBTransposed>(ring.b[at.stage]);
    ptx::wgmma_fence();
#pragma unroll
    for (int i = 0; i < kWgmmaStepBytes / 32; i++)
      Kind::multiply(sum, a + i * kWgmmaAdvance<Kind::kATransposed>,
                     b + i * kWgmmaAdvance<Kind::kBTransposed>, k > 0 || i > 0);
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
    if (arrives && before >= 0) ptx::mbarrier_arrive(&ring.empty[before]);
    before = at.stage;
    at.advance();
  }
  ptx::wgmma_wait<0>();
  ptx::accumulator_fence(sum);
  if (arrives && before >= 0) ptx::mbarrier_arrive(&ring.empty[before]);
}

// A block's whole work: calls store(matrix, row, column, sums) with the first row of a warpgroup's 64 and the first column
// of each tile. The sums lie as wgmma leaves them.
template <class Kind, class Store>
__device__ void wgmma_product(WgmmaRing<Kind::kColumns>& ring, const CUtensorMap& map_a,
                              const CUtensorMap& map_b, int64_t m, int64_t n, int depth,
                              const GemmBatch& batch, const WgmmaPlan& plan, Store&& store) {
  constexpr int kColumns = Kind::kColumns;
  using Ring = WgmmaRing<kColumns>;
  const int t = threadIdx.x, group = t / 128;
  if (t == 0) {
    for (int i = 0; i < Ring::kStages; i++) {
      ptx::mbarrier_init(&ring.full[i], 1);
      ptx::mbarrier_init(&ring.empty[i], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  const int64_t down = ceil_div<int64_t>(m, kWgmmaRows), across = ceil_div<int64_t>(n, kColumns);
  const int64_t tiles = down * across, all = tiles * plan.batches;
  RingPlace<Ring::kStages> at;
  if (group == 0) {
    ptx::registers_decrease<kWgmmaRegistersLoad>();
    if (t == 0) {
      for (int64_t index = blockIdx.x; index < all; index += gridDim.x) {
        const int64_t matrix = index / tiles;
        const TilePlace tile = tile_place(index - matrix * tiles, down, across);
        const auto of = [&](const int64_t(&steps)[8]) {
          return static_cast<int>(batch_offset(batch, matrix, steps));
        };
        wgmma_load_tile<Kind>(
            ring, at, map_a, map_b, of(plan.a.line) + static_cast<int>(tile.row) * kWgmmaRows,
            of(plan.a.k), of(plan.b.line) + static_cast<int>(tile.column) * kColumns, of(plan.b.k),
            depth);
      }
    }
  } else {
    ptx::registers_increase<kWgmmaRegistersMultiply>();
    for (int64_t index = blockIdx.x; index < all; index += gridDim.x) {
      const int64_t matrix = index / tiles;
      const TilePlace tile = tile_place(index - matrix * tiles, down, across);
      typename Kind::Sum sum[kColumns / 2];
#pragma unroll
      for (int i = 0; i < kColumns / 2; i++) sum[i] = 0;
      wgmma_sum_tile<Kind>(ring, at, sum, group - 1, depth);
      store(matrix, tile.row * kWgmmaRows + (group - 1) * 64, tile.column * kColumns, sum);
    }
  }
}

// Calls store(row, column, first, second) for each pair of neighbours of this thread's sums; the column is even.
template <int Columns, class Sum, class Store>
__device__ void each_wgmma_pair(const Sum (&sum)[Columns / 2], int64_t row0, int64_t column0,
                                Store&& store) {
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane / 4;
#pragma unroll
  for (int j = 0; j < Columns / 8; j++) {
#pragma unroll
    for (int half = 0; half < 2; half++)
      store(row0 + row + half * 8, column0 + j * 8 + lane % 4 * 2, sum[j * 4 + half * 2],
            sum[j * 4 + half * 2 + 1]);
  }
}

#endif

}  // namespace tilegrad::cuda
