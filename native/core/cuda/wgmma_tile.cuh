// Tiles of C = A B on Hopper's tensor cores, sm_90a, for matrix products of floats and of bytes. Persistent blocks of 3
// warpgroups take tiles of 128 x Columns in turn: one thread of the first fills a ring of stages, 128 bytes of K deep,
// by TMA; the other two multiply 64 rows each by wgmma and store, while the ring already fills for the next tile. In a
// cluster two blocks take tiles one above the other: each loads half of B and multicasts it to both. An operand of 16-bit
// elements may lie along its rows (blocks of 64 rows); others lie along K. Batches are folded into the coordinates. Tiles
// are numbered in groups of 8 rows for L2; few of them are cut into ranges of K. Sums run over K in order.
#pragma once

#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/ptx_cluster.cuh"
#include "core/cuda/split_k.h"
#include "core/cuda/tile_place.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

constexpr int kWgmmaThreads = 384, kWgmmaRows = 128, kWgmmaStepBytes = 128;
constexpr int kWgmmaRegistersLoad = 56, kWgmmaRegistersMultiply = 224;

template <int Columns>
struct WgmmaRing {
  static constexpr int kColumns = Columns, kLeavers = 1;
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
  int64_t m = 0, n = 0;
  int depth = 0;
  int64_t batches = 1;
  WgmmaOperand a{}, b{};
  SplitK split{INT32_MAX, 1};
  int cluster = 1;  // or 2
};

// Where operands are found.
struct WgmmaMaps {
  const CUtensorMap *a, *b;
};

// A tile and a range of its depth, which a block takes in turn.
struct WgmmaUnit {
  int64_t matrix, row, column;  // the first ones
  int range, begin, end;
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
  using Ring = WgmmaRing<N>;
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
  using Ring = WgmmaRing<256>;
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

template <int Columns>
__device__ int64_t wgmma_units(const WgmmaPlan& p) {
  return ceil_div<int64_t>(p.m, kWgmmaRows * p.cluster) * ceil_div<int64_t>(p.n, Columns) *
         p.batches * p.split.ranges;
}

// Unit `index` of a cluster, for the block of that rank in it.
template <int Columns>
__device__ WgmmaUnit wgmma_unit(const WgmmaPlan& p, int64_t index, int rank) {
  const int64_t down = ceil_div<int64_t>(p.m, kWgmmaRows * p.cluster);
  const int64_t across = ceil_div<int64_t>(p.n, Columns), tiles = down * across;
  const auto range = static_cast<int>(index / (tiles * p.batches));
  index -= range * tiles * p.batches;
  const int64_t matrix = index / tiles;
  const TilePlace tile = tile_place(index - matrix * tiles, down, across);
  const int begin = range * p.split.length;
  const int end = p.depth - begin > p.split.length ? begin + p.split.length : p.depth;
  return {matrix, (tile.row * p.cluster + rank) * kWgmmaRows, tile.column * Columns, range, begin,
          end};
}

// Enqueues one stage of `Lines` lines from `line` on: along K, or blocks of 64 lines along their rows. `ranks`: the blocks
// of the cluster that receive them, 0 outside of one.
template <bool Transposed, int Lines>
__device__ void load_lines(unsigned char* to, const CUtensorMap* map, uint64_t* barrier, int k,
                           int line, unsigned ranks = 0) {
  constexpr int kBoxes = Transposed ? Lines / 64 : 1;
#pragma unroll
  for (int box = 0; box < kBoxes; box++) {
    unsigned char* place = to + box * 64 * kWgmmaStepBytes;
    const int x = Transposed ? line + box * 64 : k, y = Transposed ? k : line;
    if (ranks == 0)
      ptx::tma_load_2d(place, map, barrier, x, y);
    else
      ptx::tma_load_2d_multicast(place, map, barrier, x, y, ranks);
  }
}

// The loading thread's part of a unit.
template <class Kind, class Ring>
__device__ void wgmma_load_tile(Ring& ring, RingPlace<Ring::kStages>& at, const WgmmaMaps& maps,
                                const GemmBatch& batch, const WgmmaPlan& plan,
                                const WgmmaUnit& unit, int rank) {
  constexpr int kStep = kWgmmaStepBytes / static_cast<int>(sizeof(typename Kind::Element));
  constexpr int kHalf = Ring::kColumns / 2;
  const auto of = [&](const int64_t(&steps)[8], int64_t first) {
    return static_cast<int>(batch_offset(batch, unit.matrix, steps) + first);
  };
  const int line_a = of(plan.a.line, unit.row), k_a = of(plan.a.k, 0);
  const int line_b = of(plan.b.line, unit.column), k_b = of(plan.b.k, 0);
  for (int k = unit.begin; k < unit.end; k += kStep) {
    ptx::mbarrier_wait(&ring.empty[at.stage], at.parity ^ 1);
    uint64_t* full = &ring.full[at.stage];
    ptx::mbarrier_expect_bytes(full, (kWgmmaRows + Ring::kColumns) * kWgmmaStepBytes);
    load_lines<Kind::kATransposed, kWgmmaRows>(ring.a[at.stage], maps.a, full, k_a + k, line_a);
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (plan.cluster == 1 || half == rank)
        load_lines<Kind::kBTransposed, kHalf>(ring.b[at.stage] + half * kHalf * kWgmmaStepBytes,
                                              maps.b, full, k_b + k, line_b + half * kHalf,
                                              plan.cluster == 1 ? 0 : 3);
    at.advance();
  }
}

// A warpgroup, or where its threads read the stage themselves each of its warps, has left a stage: told to the blocks that
// fill it by Ring::kLeavers threads each.
template <class Ring>
__device__ void wgmma_leave_stage(Ring& ring, int stage, int cluster) {
  const int t = threadIdx.x % (128 / Ring::kLeavers);
  if (cluster == 1) {
    if (t == 0) ptx::mbarrier_arrive(&ring.empty[stage]);
  } else if (t < cluster) {
    ptx::mbarrier_arrive_remote(&ring.empty[stage], t);
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

// The sums of `depth` of K for 64 rows of a tile, those of warpgroup `group`. A stage is given back once the next one's
// products are enqueued.
template <class Kind, int Columns>
__device__ void wgmma_sum_tile(WgmmaRing<Columns>& ring, RingPlace<WgmmaRing<Columns>::kStages>& at,
                               typename Kind::Sum (&sum)[Columns / 2], int group, int depth,
                               int cluster = 1) {
  constexpr int kStep = kWgmmaStepBytes / static_cast<int>(sizeof(typename Kind::Element));
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
    if (before >= 0) wgmma_leave_stage(ring, before, cluster);
    before = at.stage;
    at.advance();
  }
  ptx::wgmma_wait<0>();
  ptx::accumulator_fence(sum);
  if (before >= 0) wgmma_leave_stage(ring, before, cluster);
}

// What a ring has beside full and empty stages, and who fills it: nothing and nobody.
template <int Columns>
__device__ void wgmma_init_more(WgmmaRing<Columns>&) {}
template <int Columns, class Place>
__device__ void wgmma_prepare_tile(WgmmaRing<Columns>&, Place&, int) {}

template <class Ring>
__device__ void wgmma_init(Ring& ring, int cluster) {
  if (threadIdx.x == 0) {
    for (int i = 0; i < Ring::kStages; i++) {
      ptx::mbarrier_init(&ring.full[i], 1);
      ptx::mbarrier_init(&ring.empty[i], 2 * Ring::kLeavers * cluster);
    }
    wgmma_init_more(ring);
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
}

struct NothingToFinish {
  __device__ void operator()() const {}
};

// A block's whole work: calls store(unit, row, sums) with the first row of a warpgroup's 64, and finish() after the last.
// The sums lie as wgmma leaves them.
template <class Kind, class Maps, class Store, class Finish = NothingToFinish>
__device__ void wgmma_product(typename Kind::Ring& ring, const Maps& maps, const GemmBatch& batch,
                              const WgmmaPlan& plan, Store&& store, Finish&& finish = {}) {
  constexpr int kColumns = Kind::kColumns;
  const int group = threadIdx.x / 128, rank = plan.cluster == 1 ? 0 : ptx::cluster_rank();
  wgmma_init(ring, plan.cluster);
  const int64_t units = wgmma_units<kColumns>(plan), step = gridDim.x / plan.cluster;
  RingPlace<Kind::Ring::kStages> at;
  if (group == 0) {
    ptx::registers_decrease<kWgmmaRegistersLoad>();
    for (int64_t index = blockIdx.x / plan.cluster; index < units; index += step) {
      const WgmmaUnit unit = wgmma_unit<kColumns>(plan, index, rank);
      if (threadIdx.x == 0)
        wgmma_load_tile<Kind>(ring, at, maps, batch, plan, unit, rank);
      else if (threadIdx.x >= 32)
        wgmma_prepare_tile(ring, at, unit.end - unit.begin);
    }
  } else {
    ptx::registers_increase<kWgmmaRegistersMultiply>();
    for (int64_t index = blockIdx.x / plan.cluster; index < units; index += step) {
      const WgmmaUnit unit = wgmma_unit<kColumns>(plan, index, rank);
      typename Kind::Sum sum[kColumns / 2];
#pragma unroll
      for (int i = 0; i < kColumns / 2; i++) sum[i] = 0;
      wgmma_sum_tile<Kind>(ring, at, sum, group - 1, unit.end - unit.begin, plan.cluster);
      store(unit, unit.row + (group - 1) * 64, sum);
    }
    finish();
  }
  if (plan.cluster > 1) {  // a block's shared memory is its peer's to write and to arrive in
    __syncwarp();
    ptx::cluster_arrive();
    ptx::cluster_wait();
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
