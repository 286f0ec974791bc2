// Sums of 64 x 128 as a warpgroup's wgmma leaves them, on their way out: 32 columns at a time through shared memory, so that
// a warp writes 32 neighbours of a row at once and what is done to a sum is there once in the code, not 64 times. A warp
// has 16 rows of the tile and of the shared memory to itself.
#pragma once

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

constexpr int kRowsPitch = 40;  // of 32 sums: pairs of 4 rows meet no bank twice

// For each of the two warpgroups that multiply.
template <class Sum>
struct WgmmaRows {
  Sum rows[2][64 * kRowsPitch];
};

// Calls put(row, at(column), sum) for every sum; `at` is asked once for a column.
template <class Sum, class At, class Put>
__device__ void each_wgmma_row(const Sum (&sum)[64], Sum* rows, int64_t row0, int64_t column0,
                               const At& at, const Put& put) {
  struct alignas(2 * sizeof(Sum)) Pair {
    Sum first, second;
  };
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 % 4 * 16;
#pragma unroll
  for (int part = 0; part < 4; part++) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int row = warp_row + lane / 4 + i % 2 * 8, column = i / 2 * 8 + lane % 4 * 2;
      const int first = (part * 4 + i / 2) * 4 + i % 2 * 2;
      *reinterpret_cast<Pair*>(rows + row * kRowsPitch + column) = {sum[first], sum[first + 1]};
    }
    __syncwarp();
    const auto place = at(column0 + part * 32 + lane);
#pragma unroll 1
    for (int row = warp_row; row < warp_row + 16; row++)
      put(row0 + row, place, rows[row * kRowsPitch + lane]);
    __syncwarp();
  }
}

}  // namespace tilegrad::cuda
