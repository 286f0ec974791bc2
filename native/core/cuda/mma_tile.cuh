// Sums of one tile of C = A B by mma.sync, sm_80 and up: the part that matrix products and convolutions share. K runs in
// steps of 64 bytes through 3 stages of shared memory that cp.async fills, one barrier per step. An operand says how its
// 16-byte chunks are found: along K, kept as (line, K) and read by ldmatrix, or along its lines, kept as (K, line) and
// read by ldmatrix.trans (32-bit elements: word by word). Chunks are exchanged within a row by the row's number, so that
// neither filling nor reading meets a bank twice. Sums run over K in order whatever the tile.
#pragma once

#include "core/cuda/mma_kinds.cuh"
#include "core/cuda/tile_filler.cuh"
#include "core/cuda/warp_rows.cuh"

namespace tilegrad::cuda {

constexpr int kMmaStages = 3, kMmaStepBytes = 64;

// A block's tile and how its warps share it.
template <int M, int N, int WarpsM, int WarpsN>
struct MmaShape {
  static constexpr int kM = M, kN = N, kThreads = 32 * WarpsM * WarpsN;
  static constexpr int kWarpM = M / WarpsM, kWarpN = N / WarpsN;
  static constexpr int kFragmentsM = kWarpM / 16, kFragmentsN = kWarpN / 8;
  static constexpr int kStageBytes = (M + N) * kMmaStepBytes;
  static constexpr int kSharedBytes = kMmaStages * kStageBytes;
  // What each_pair_by_rows takes of it: 16 rows of each warp, so far apart that no bank is met twice.
  static constexpr int kRows = WarpsM * 16, kRowsPitch = N + 8, kRowsBytes = kRows * kRowsPitch * 4;
  __device__ static int warp_m() { return threadIdx.x / 32 / WarpsN * kWarpM; }
  __device__ static int warp_n() { return threadIdx.x / 32 % WarpsN * kWarpN; }
};
using MmaLarge = MmaShape<128, 128, 2, 4>;
using MmaSmall = MmaShape<64, 64, 2, 2>;

template <class Kind, class Shape>
using MmaSums = typename Kind::Sum[Shape::kFragmentsM][Shape::kFragmentsN][4];

// Where a chunk of 16 bytes lies in a tile of `Lines` lines, in bytes.
template <bool AlongK, int Lines, class E>
__device__ int tile_chunk(int outer, int chunk) {
  if constexpr (AlongK) return outer * kMmaStepBytes + (chunk ^ (outer / 2 % 4)) * 16;
  constexpr int kRowBytes = Lines * static_cast<int>(sizeof(E));
  return outer * kRowBytes + (chunk ^ (sizeof(E) == 4 ? outer % 4 * 2 : outer % 8)) * 16;
}

// The tiles of shared memory that TileFiller fills for mma_product.
template <class Operand, class E, int Lines, int Threads>
struct MmaTile {
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kThreads = Threads, kPer = 16 / static_cast<int>(sizeof(E));
  static constexpr int kChunks = kAlongK ? kMmaStepBytes / 16 : Lines / kPer;
  static constexpr int kCount = Lines * kMmaStepBytes / 16 / Threads;
  __device__ static int at(int outer, int chunk) {
    return tile_chunk<kAlongK, Lines, E>(outer, chunk);
  }
};

// A word of a (K, line) tile of 32-bit elements.
template <int Lines>
__device__ uint32_t tile_word(const unsigned char* tile, int k, int line) {
  return *reinterpret_cast<const uint32_t*>(tile + tile_chunk<false, Lines, float>(k, line / 4) +
                                            line % 4 * 4);
}

// The 16 x 32 bytes of A from line `line0` on; `part` counts 32 bytes of K.
template <bool AlongK, int Lines, class E>
__device__ void load_a(uint32_t (&a)[4], const unsigned char* tile, int line0, int part) {
  const int lane = threadIdx.x % 32;
  if constexpr (AlongK) {
    ptx::ldmatrix_x4(a, tile + tile_chunk<true, Lines, E>(line0 + lane % 16, part * 2 + lane / 16));
  } else if constexpr (sizeof(E) == 2) {
    ptx::ldmatrix_x4_trans(a,
                           tile + tile_chunk<false, Lines, E>(part * 16 + lane / 16 * 8 + lane % 8,
                                                              line0 / 8 + lane / 8 % 2));
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++)
      a[i] = tile_word<Lines>(tile, part * 8 + lane % 4 + i / 2 * 4, line0 + lane / 4 + i % 2 * 8);
  }
}

// The 32 bytes x 16 of B: two fragments.
template <bool AlongK, int Lines, class E>
__device__ void load_b(uint32_t (&b)[2], uint32_t (&next)[2], const unsigned char* tile, int line0,
                       int part) {
  const int lane = threadIdx.x % 32;
  if constexpr (!AlongK && sizeof(E) == 4) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int k = part * 8 + lane % 4 + i * 4;
      b[i] = tile_word<Lines>(tile, k, line0 + lane / 4);
      next[i] = tile_word<Lines>(tile, k, line0 + 8 + lane / 4);
    }
  } else {
    uint32_t r[4];
    if constexpr (AlongK) {
      ptx::ldmatrix_x4(r, tile + tile_chunk<true, Lines, E>(line0 + lane / 16 * 8 + lane % 8,
                                                            part * 2 + lane / 8 % 2));
    } else {
      ptx::ldmatrix_x4_trans(
          r, tile + tile_chunk<false, Lines, E>(part * 16 + lane / 8 % 2 * 8 + lane % 8,
                                                line0 / 8 + lane / 16));
    }
    b[0] = r[0], b[1] = r[1], next[0] = r[2], next[1] = r[3];
  }
}

// Adds the products of one stage.
template <class Kind, class Shape, bool AAlongK, bool BAlongK>
__device__ void multiply_stage(MmaSums<Kind, Shape>& sum, const unsigned char* tile_a,
                               const unsigned char* tile_b) {
  using E = typename Kind::Element;
  [[maybe_unused]] constexpr int kUnrolled =
      Kind::kTerms == 1 ? kMmaStepBytes / 32 : 1;  // more terms, more registers
#pragma unroll kUnrolled
  for (int part = 0; part < kMmaStepBytes / 32; part++) {
    uint32_t a[Shape::kFragmentsM][Kind::kTerms][4], b[Shape::kFragmentsN][Kind::kTerms][2];
#pragma unroll
    for (int i = 0; i < Shape::kFragmentsM; i++) {
      load_a<AAlongK, Shape::kM, E>(a[i][0], tile_a, Shape::warp_m() + i * 16, part);
      Kind::prepare(a[i]);
    }
#pragma unroll
    for (int j = 0; j < Shape::kFragmentsN; j += 2) {
      load_b<BAlongK, Shape::kN, E>(b[j][0], b[j + 1][0], tile_b, Shape::warp_n() + j * 8, part);
      Kind::prepare(b[j]);
      Kind::prepare(b[j + 1]);
    }
#pragma unroll
    for (int i = 0; i < Shape::kFragmentsM; i++) {
#pragma unroll
      for (int j = 0; j < Shape::kFragmentsN; j++) Kind::multiply(sum[i][j], a[i], b[j]);
    }
  }
}

// Nothing to be done beside the products of a stage.
struct NoStageWork {
  __device__ void operator()(const unsigned char*, const unsigned char*) {}
};

// Adds A(line_a.., k) B(k, line_b..) for k in [begin, end) to `sum`; `work` sees the tiles of each stage.
template <class Kind, class Shape, class A, class B, class Work = NoStageWork>
__device__ void mma_product(unsigned char* shared, const A& a, const B& b, int64_t line_a,
                            int64_t line_b, int begin, int end, MmaSums<Kind, Shape>& sum,
                            Work&& work = {}) {
  using E = typename Kind::Element;
  constexpr int kStep = kMmaStepBytes / static_cast<int>(sizeof(E));
  constexpr int kTileB = Shape::kM * kMmaStepBytes, kStages = kMmaStages * Shape::kStageBytes;
  const TileFiller<A, MmaTile<A, E, Shape::kM, Shape::kThreads>> fill_a(a, line_a);
  const TileFiller<B, MmaTile<B, E, Shape::kN, Shape::kThreads>> fill_b(b, line_b);
  int next_k = begin, next = 0;  // the step that is filled next and where
  auto fill = [&] {
    if (next_k < end) {
      fill_a.fill(shared + next, next_k, end);
      fill_b.fill(shared + next + kTileB, next_k, end);
    }
    ptx::cp_async_commit();
    next_k += kStep;
    next = next + Shape::kStageBytes == kStages ? 0 : next + Shape::kStageBytes;
  };
  for (int stage = 0; stage + 1 < kMmaStages; stage++) fill();
  int at = 0;
#pragma unroll 1
  for (int k = begin; k < end; k += kStep) {
    ptx::cp_async_wait<kMmaStages - 2>();
    __syncthreads();  // this step's stage is full, and that of the step before is free
    fill();
    const unsigned char* tile = shared + at;
    multiply_stage<Kind, Shape, A::kAlongK, B::kAlongK>(sum, tile, tile + kTileB);
    work(tile, tile + kTileB);
    at = at + Shape::kStageBytes == kStages ? 0 : at + Shape::kStageBytes;
  }
  ptx::cp_async_wait<0>();
  __syncthreads();  // the tiles may be used again
}

// Calls store(row, column, first, second) for each pair of neighbours of this thread's sums; the column is even.
template <class Kind, class Shape, class Store>
__device__ void each_pair(const MmaSums<Kind, Shape>& sum, int64_t row0, int64_t column0,
                          Store&& store) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < Shape::kFragmentsM; i++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
      for (int j = 0; j < Shape::kFragmentsN; j++)
        store(row0 + Shape::warp_m() + i * 16 + lane / 4 + half * 8,
              column0 + Shape::warp_n() + j * 8 + lane % 4 * 2, sum[i][j][half * 2],
              sum[i][j][half * 2 + 1]);
    }
  }
}

// The same in the order of memory, neighbours by neighbours, by way of shared memory: what store() does is there once and
// not once for each pair of a thread.
template <class Kind, class Shape, class Store>
__device__ void each_pair_by_rows(unsigned char* shared, const MmaSums<Kind, Shape>& sum,
                                  int64_t row0, int64_t column0, Store&& store) {
  using Sum = typename Kind::Sum;
  struct alignas(8) Two {
    Sum first, second;
  };
  static_assert(sizeof(Sum) == 4);
  constexpr int kPitch = Shape::kRowsPitch, kPairs = Shape::kN / 2;
  auto* rows = reinterpret_cast<Sum*>(shared);  // (16 of each warp, columns)
  const int lane = threadIdx.x % 32;
  const int at =
      (Shape::warp_m() / Shape::kWarpM * 16 + lane / 4) * kPitch + Shape::warp_n() + lane % 4 * 2;
#pragma unroll 1
  for (int pass = 0; pass < Shape::kFragmentsM; pass++) {
#pragma unroll
    for (int i = 0; i < Shape::kFragmentsM; i++) {
      if (i != pass) continue;
#pragma unroll
      for (int j = 0; j < Shape::kFragmentsN * 2; j++)
        *reinterpret_cast<Two*>(rows + at + j % 2 * 8 * kPitch + j / 2 * 8) = {
            sum[i][j / 2][j % 2 * 2], sum[i][j / 2][j % 2 * 2 + 1]};
    }
    __syncthreads();
#pragma unroll 1
    for (int e = threadIdx.x; e < Shape::kRows * kPairs; e += Shape::kThreads) {
      const int row = e / kPairs, column = e % kPairs * 2;
      const Two two = *reinterpret_cast<const Two*>(rows + row * kPitch + column);
      store(row0 + row / 16 * Shape::kWarpM + pass * 16 + row % 16, column0 + column, two.first,
            two.second);
    }
    __syncthreads();
  }
}

// The same where it takes work to find a column's place: put(row, at(column), sum), where `at` is asked once for a column.
// A warp goes through its part of `shared`, which nobody else may touch until all have come to a barrier.
template <class Kind, class Shape, class At, class Put>
__device__ void each_mma_row(const MmaSums<Kind, Shape>& sum, unsigned char* shared, int64_t row0,
                             int64_t column0, const At& at, const Put& put) {
  using Sum = typename Kind::Sum;
  static_assert(Shape::kWarpN == 32 &&
                Shape::kThreads / 32 * sizeof(WarpRows<Sum>) <= Shape::kSharedBytes);
  WarpRows<Sum>& rows = reinterpret_cast<WarpRows<Sum>*>(shared)[threadIdx.x / 32];
  const auto place = at(column0 + Shape::warp_n() + threadIdx.x % 32);
  row0 += Shape::warp_m();
#pragma unroll 1
  for (int fragment = 0; fragment < Shape::kFragmentsM; fragment++) {
#pragma unroll
    for (int i = 0; i < Shape::kFragmentsM; i++) {
      if (i != fragment) continue;
#pragma unroll
      for (int j = 0; j < 8; j++)
        rows.set(j, sum[i][j / 2][j % 2 * 2], sum[i][j / 2][j % 2 * 2 + 1]);
    }
    rows.each([&](int row, Sum value) { put(row0 + fragment * 16 + row, place, value); });
  }
}

}  // namespace tilegrad::cuda
