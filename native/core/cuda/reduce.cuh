// Reductions inside a warp and a block. An operation gives T identity() and T operator()(T, T); the order of
// combination depends on nothing but the number of threads, so results are the same on every run.
#pragma once

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

// Every lane gets the result. All 32 lanes must call it.
template <class T, class Op>
__device__ T warp_reduce(T value, Op op) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2)
    value = op(value, __shfl_xor_sync(kFullWarp, value, lanes));
  return value;
}

// Every thread gets the result. Threads is the block's size, a multiple of 32 up to 1024; all must call it.
template <int Threads, class T, class Op>
__device__ T block_reduce(T value, Op op) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
  value = warp_reduce(value, op);
  if constexpr (Threads > 32) {
    SHARED_ARRAY(partial, T[Threads / 32]);
    const int lane = threadIdx.x % 32;
    if (lane == 0) partial[threadIdx.x / 32] = value;
    __syncthreads();
    value = warp_reduce(lane < Threads / 32 ? partial[lane] : op.template identity<T>(), op);
    __syncthreads();  // the next call may write partial again
  }
  return value;
}

struct Sum {
  template <class T>
  __device__ static constexpr T identity() {
    return T(0);
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

// NaN is passed over.
struct Largest {
  template <class T>
  __device__ static constexpr T identity() {
    return -static_cast<T>(__builtin_huge_valf());
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// Over groups of Lanes neighbouring threads: 1, 32 or the whole block. Every thread of the group gets the result.
template <int Lanes, class T, class Op>
__device__ T reduce_lanes(T value, Op op) {
  if constexpr (Lanes == 1)
    return value;
  else if constexpr (Lanes == 32)
    return warp_reduce(value, op);
  else
    return block_reduce<Lanes>(value, op);
}

}  // namespace tilegrad::cuda
