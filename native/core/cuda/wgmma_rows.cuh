// Sums of 64 x 128 as a warpgroup's wgmma leaves them, on their way out: each warp takes its 16 rows by 32 columns at a
// time (warp_rows.cuh).
#pragma once

#include "core/cuda/warp_rows.cuh"

namespace tilegrad::cuda {

// For each of the two warpgroups that multiply. (warpgroup, warp)
template <class Sum>
struct WgmmaRows {
  WarpRows<Sum> rows[2][4];
};

// Calls put(row, at(column), sum) for every sum; `at` is asked once for a column.
template <class Sum, class At, class Put>
__device__ void each_wgmma_row(const Sum (&sum)[64], WarpRows<Sum> (&space)[4], int64_t row0,
                               int64_t column0, const At& at, const Put& put) {
  const int warp = threadIdx.x / 32 % 4;
  WarpRows<Sum>& rows = space[warp];
#pragma unroll
  for (int part = 0; part < 4; part++) {
#pragma unroll
    for (int i = 0; i < 8; i++) rows.set(i, sum[part * 16 + i * 2], sum[part * 16 + i * 2 + 1]);
    const auto place = at(column0 + part * 32 + threadIdx.x % 32);
    rows.each([&](int row, Sum value) { put(row0 + warp * 16 + row, place, value); });
  }
}

}  // namespace tilegrad::cuda
