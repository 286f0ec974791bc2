// Sums of many terms by one thread.
#pragma once

#include <cstdint>

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

// f(lane) + f(lane + Lanes) + ... below n, in runs: an f32 that counts ones stays at 2^24.
template <class C, int Lanes, class F>
__device__ C lane_sum(int lane, int64_t n, F&& f) {
  constexpr int64_t kRun = int64_t{4096} * Lanes;
  C sum = C(0);
  for (int64_t first = lane; first < n; first += kRun) {
    const int64_t end = n - first < kRun ? n : first + kRun;
    C run = C(0);
    for (int64_t i = first; i < end; i += Lanes) run += f(i);
    sum += run;
  }
  return sum;
}

}  // namespace tilegrad::cuda
