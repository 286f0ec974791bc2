// A warp's sums of 16 rows by 32 columns, as mma.sync and wgmma leave them, on their way out by shared memory that the warp
// has to itself: it writes 32 neighbours of a row at once, and what is done to a sum is there once in the code.
#pragma once

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T values[2];
};

template <class Sum>
struct WarpRows {
  Sum rows[16][40];  // of 32: pairs of 4 rows meet no bank twice

  // Pair `i` of a lane's 8: of 8 columns each, the upper 8 rows and the lower ones in turn.
  __device__ void set(int i, Sum first, Sum second) {
    const int lane = threadIdx.x % 32;
    *reinterpret_cast<Pair<Sum>*>(&rows[lane / 4 + i % 2 * 8][i / 2 * 8 + lane % 4 * 2]) = {
        {first, second}};
  }

  // Calls put(row, sum) for the lane's column once all lanes have set their pairs.
  template <class Put>
  __device__ void each(Put&& put) const {
    __syncwarp();
#pragma unroll 1
    for (int row = 0; row < 16; row++) put(row, rows[row][threadIdx.x % 32]);
    __syncwarp();
  }
};

}  // namespace tilegrad::cuda
