// Results of wgmma_tile.cuh on their way to memory, 64 rows of a warpgroup at a time. Sums that are only rounded go to
// shared memory (16-bit elements by stmatrix) in chunks of 128 bytes of columns in the 128-byte swizzle, and from there by
// TMA, which writes them while the next chunk, or the next tile's products, are under way: two buffers a warpgroup. Where
// there is more to do, or TMA cannot write C (its rows do not start on 16 bytes, or a matrix of a batch ends within the 64
// rows), each warp takes 16 rows by 32 columns of sums at a time and finishes them row by row (warp_rows.cuh).
#pragma once

#include <cstring>

#include "core/cuda/ptx_store.cuh"
#include "core/cuda/warp_rows.cuh"
#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

constexpr int kStagedBytes = 64 * 128;

// What a product's block has in shared memory. (warpgroup, buffer, 64 rows of 128 bytes)
template <class Ring>
struct WgmmaShared {
  Ring ring;
  alignas(1024) unsigned char staged[2][2][kStagedBytes];
};

// Where results go, beside the matrix itself.
struct WgmmaOutput {
  WgmmaOperand steps{};  // of the map's rows, by batch dimension
  bool by_tma = false;   // sums are only rounded, and there is a map
};

#if TILEGRAD_SM90A

__device__ inline int staged_offset(int row, int byte) { return row * 128 + (byte ^ row % 8 * 16); }

// Rounds one chunk of a thread's sums into `tile`.
template <class T, int Chunk, int N>
__device__ void stage_chunk(unsigned char* tile, const float (&sum)[N]) {
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x % 128 / 32 * 16;
  constexpr int kColumns = 128 / static_cast<int>(sizeof(T));
  const auto pair = [&](int column, int half) {  // column: of the chunk, a multiple of 8
    const int at = (Chunk * kColumns + column) / 2 + half * 2;
    return Pair<T>{{static_cast<T>(sum[at]), static_cast<T>(sum[at + 1])}};
  };
#pragma unroll
  for (int column = 0; column < kColumns; column += 16) {
    if constexpr (sizeof(T) == 2) {
      uint32_t r[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const Pair<T> values = pair(column + i / 2 * 8, i % 2);
        memcpy(&r[i], &values, 4);
      }
      const int row = warp_row + lane / 8 % 2 * 8 + lane % 8;
      ptx::stmatrix_x4(tile + staged_offset(row, column * 2 + lane / 16 * 16), r);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int row = warp_row + lane / 4 + i % 2 * 8, at = column + i / 2 * 8;
        *reinterpret_cast<Pair<T>*>(tile + staged_offset(row, at * 4 + lane % 4 * 8)) =
            pair(at, i % 2);
      }
    }
  }
}

// Hands `tile`, which this warpgroup has written, to TMA. Afterwards the other buffer is free: its last chunk was read.
__device__ inline void store_staged(const unsigned char* tile, const CUtensorMap& map, int x,
                                    int y) {
  const bool stores = threadIdx.x % 128 == 0;
  ptx::fence_proxy_async();  // what was written here, to TMA
  if (stores) ptx::tma_store_wait_read<0>();
  ptx::barrier_sync(static_cast<int>(threadIdx.x) / 128, 128);
  if (stores) {
    ptx::tma_store_2d(&map, x, y, tile);
    ptx::tma_store_commit();
  }
}

// The chunks of a tile from `Chunk` on; `turn` counts them, over tiles. `columns`: those of C from the tile's first on.
template <class T, int Chunk = 0, int N>
__device__ void store_chunks(unsigned char (&staged)[2][kStagedBytes], int& turn,
                             const float (&sum)[N], const CUtensorMap& map, int64_t columns, int x,
                             int y) {
  constexpr int kColumns = 128 / static_cast<int>(sizeof(T));
  if constexpr (Chunk * kColumns < N * 2) {
    if (Chunk * kColumns >= columns) return;
    unsigned char* tile = staged[turn++ % 2];
    stage_chunk<T, Chunk>(tile, sum);
    store_staged(tile, map, x + Chunk * kColumns, y);
    store_chunks<T, Chunk + 1>(staged, turn, sum, map, columns, x, y);
  }
}

// A warpgroup's 64 rows, row by row: calls put(row, column, sum), neighbours by neighbours.
template <class Sum, int N, class Put>
__device__ void store_by_rows(unsigned char (&staged)[2][kStagedBytes], const Sum (&sum)[N],
                              int64_t row0, int64_t m, int64_t column0, int64_t n, Put&& put) {
  constexpr int kChunk = 32;
  static_assert(4 * sizeof(WarpRows<Sum>) <= sizeof(staged) && N % 16 == 0);
  if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<0>();
  ptx::barrier_sync(static_cast<int>(threadIdx.x) / 128, 128);
  const int warp = threadIdx.x % 128 / 32;
  WarpRows<Sum>& rows = reinterpret_cast<WarpRows<Sum>*>(staged[0])[warp];
  row0 += warp * 16;
#pragma unroll 1
  for (int chunk = 0; chunk < N * 2 / kChunk; chunk++) {
#pragma unroll
    for (int j = 0; j < N / 2; j++)
      if (j / 8 == chunk) rows.set(j % 8, sum[j * 2], sum[j * 2 + 1]);
    const int64_t column = column0 + chunk * kChunk + threadIdx.x % 32;
    rows.each([&](int row, Sum value) {
      if (row0 + row < m && column < n) put(row0 + row, column, value);
    });
  }
}

// Before a block ends: its stores have been made.
__device__ inline void store_finish() {
  if (threadIdx.x % 128 == 0) ptx::tma_store_wait<0>();
}

#endif

}  // namespace tilegrad::cuda
