// Tiles of a convolution without tensor cores: a block of 256 threads sums kRows x kColumns results of one group, each thread
// 4x4 of them, in steps of 16 through shared memory. For the conv2d kernels (conv2d_cuda.cu, conv2d_pool_cuda.cu).
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/op.h"
#include "ops/conv2d/conv2d_problems.cuh"

namespace tilegrad {

/// Sizes as the kernels take them. Throws ERR_UNSUPPORTED where an image or weight has more than 2^31 places.
ConvSizes conv_sizes(const Attrs& attrs, const Shape& x, const Shape& weight);

/// Enqueues a gradient without tensor cores.
template <class T>
void conv2d_simt(cuda::CudaStream& stream, const ConvInputGrad<T>& conv);
template <class T>
void conv2d_simt(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv);

constexpr int kConvThreads = 256;
constexpr int kConvStep = 16;

// The sums of one tile over k in [k_begin, k_end), 4x4 for each thread.
template <int kRows, int kColumns, class Sum, class Problem>
__device__ void sum_tile(const Problem& problem, int64_t row0, int64_t column0, int64_t k_begin,
                         int64_t k_end, Sum (&sum)[4][4]) {
  SHARED_ARRAY(tile_a, Sum[kConvStep][kRows + 4]);     // (K, M)
  SHARED_ARRAY(tile_b, Sum[kConvStep][kColumns + 4]);  // (K, N)
  constexpr int kA = kRows * kConvStep / kConvThreads, kB = kColumns * kConvStep / kConvThreads;
  // Items i of a thread: A at row a_row + 16 i of k a_k; B along k like A, or at k b_k + i of its column.
  constexpr bool kAlongK = Problem::kAlongK;
  constexpr int kColumnSteps = kConvThreads / kColumns;  // k's that all threads read at once
  const int t = static_cast<int>(threadIdx.x);
  const int a_row = t / kConvStep, a_k = t % kConvStep;
  const int b_column = kAlongK ? t / kConvStep : t % kColumns;
  const int64_t rows = problem.rows(), columns = problem.columns();

  typename Problem::Column column[kAlongK ? kB : 1];
#pragma unroll
  for (int i = 0; i < (kAlongK ? kB : 1); i++) {
    const int64_t index = column0 + b_column + i * kConvStep;
    column[i] = problem.column(index < columns ? index : 0);
  }
  const int thread_row = t / (kColumns / 4) * 4, thread_column = t % (kColumns / 4) * 4;

  for (int64_t k0 = k_begin; k0 < k_end; k0 += kConvStep) {
    const bool a_inside = k0 + a_k < k_end;
    const auto step = problem.step(a_inside ? k0 + a_k : k_begin);
#pragma unroll
    for (int i = 0; i < kA; i++) {
      const int64_t row = row0 + a_row + i * kConvStep;
      tile_a[a_k][a_row + i * kConvStep] =
          a_inside && row < rows ? static_cast<Sum>(problem.a(row, step)) : Sum(0);
    }
#pragma unroll
    for (int i = 0; i < kB; i++) {
      if constexpr (kAlongK) {
        const bool inside = a_inside && column0 + b_column + i * kConvStep < columns;
        tile_b[a_k][b_column + i * kConvStep] =
            inside ? static_cast<Sum>(problem.b(step, column[i])) : Sum(0);
      } else {
        const int k = t / kColumns + i * kColumnSteps;
        const bool inside = k0 + k < k_end && column0 + b_column < columns;
        tile_b[k][b_column] =
            inside ? static_cast<Sum>(problem.b(problem.step(k0 + k), column[0])) : Sum(0);
      }
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kConvStep; k++) {
      Sum left[4], right[4];
#pragma unroll
      for (int i = 0; i < 4; i++) left[i] = tile_a[k][thread_row + i];
#pragma unroll
      for (int j = 0; j < 4; j++) right[j] = tile_b[k][thread_column + j];
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
}

// Calls store(row, column, sum) for the thread's results that lie inside.
template <int kColumns, class Sum, class Problem, class Store>
__device__ void store_tile(const Problem& problem, int64_t row0, int64_t column0,
                           const Sum (&sum)[4][4], Store&& store) {
  const int t = static_cast<int>(threadIdx.x);
  const int64_t row = row0 + t / (kColumns / 4) * 4, column = column0 + t % (kColumns / 4) * 4;
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (row + i < problem.rows() && column + j < problem.columns())
        store(row + i, column + j, sum[i][j]);
    }
  }
}

}  // namespace tilegrad
