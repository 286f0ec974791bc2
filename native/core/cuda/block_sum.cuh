// Sums and moments of values that a block of threads goes through together, in f64 and in a fixed order.
#pragma once

#include "core/cuda/reduce.cuh"

namespace tilegrad::cuda {

// f(i) summed over n values, which the threads walk Threads apart; every thread gets the sum.
template <int Threads, class F>
__device__ double block_sum(int64_t n, F&& f) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < n; i += Threads) total += static_cast<double>(f(i));
  return block_reduce<Threads>(total, Sum{});
}

// The mean of (f(i) - center)^2.
template <int Threads, class F>
__device__ double block_variance(int64_t n, double count, double center, F&& f) {
  const auto square = [&](int64_t i) {
    const double d = static_cast<double>(f(i)) - center;
    return d * d;
  };
  return block_sum<Threads>(n, square) / count;
}

}  // namespace tilegrad::cuda
