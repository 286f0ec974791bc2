// The products of conv2d_mma_cuda.cu on Hopper, sm_90a, for f16 and bf16: tiles of 128 x 128 by wgmma_gather.cuh. Blocks,
// ranges of K and partial sums are those of conv_mma.
#pragma once

#include "core/cuda/split_k.h"
#include "core/cuda/wgmma_gather.cuh"
#include "ops/conv2d/conv2d_mma.cuh"

namespace tilegrad {

struct ConvGather {
  cuda::GatherRing ring;
  cuda::WgmmaRows<float> sums;
};

template <class E, class Problem>
__global__ void __launch_bounds__(cuda::kWgmmaThreads, 1)
    conv_wgmma(const Problem problem, int groups, const cuda::SplitK split,
               float* __restrict__ partial) {
#if TILEGRAD_SM90A
  using A = decltype(problem.a(0));
  using B = decltype(problem.b(0));
  constexpr int kColumns = cuda::kGatherColumns;
  using Kind = cuda::WgmmaFloats<E, kColumns, !A::kAlongK, !B::kAlongK>;
  DYNAMIC_SHARED(ConvGather, shared);
  cuda::GatherRing* ring = &shared->ring;
  cuda::gather_ring_init(*ring);
  const int64_t rows = problem.rows(), columns = problem.columns();
  const int64_t down = ceil_div<int64_t>(rows, cuda::kWgmmaRows);
  const int64_t m0 = blockIdx.x % down * cuda::kWgmmaRows, n0 = blockIdx.x / down * kColumns;
  const int begin = static_cast<int>(blockIdx.y) * split.length, depth = problem.depth();
  const int end = depth - begin > split.length ? begin + split.length : depth;
  // By a shuffle, so that the compiler knows that a warp does not diverge here.
  const int warpgroup = __shfl_sync(kFullWarp, static_cast<int>(threadIdx.x / 128), 0);
  const int group = static_cast<int>(blockIdx.z);
  cuda::RingPlace<cuda::GatherRing::kStages> at;
  if (warpgroup == 0) {
    const A a = problem.a(group);
    const B b = problem.b(group);
    cuda::gather_load<E>(*ring, at, a, b, m0, n0, begin, end);
  } else {
    float sum[kColumns / 2];
#pragma unroll
    for (int i = 0; i < kColumns / 2; i++) sum[i] = 0.0f;
    cuda::wgmma_sum_tile<Kind>(*ring, at, sum, warpgroup - 1, end - begin);
    const int64_t row0 = m0 + (warpgroup - 1) * 64;
    auto out = problem.output();
    out.select(group);
    float* to = partial == nullptr
                    ? nullptr
                    : partial + (int64_t{blockIdx.y} * groups + group) * rows * columns;
    store_conv_rows(sum, shared->sums.rows[warpgroup - 1], row0, n0, rows, columns, out, to);
  }
#endif
}

}  // namespace tilegrad
