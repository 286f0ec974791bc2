// Integer products by dp4a: a block of 256 threads makes a tile of 64 x 64, a thread 4 x 4 of it. Per step 32 bytes of k are
// packed into shared memory as groups of 4 neighbours, 4 KB, held as s8 (u8 less 128). The sums of rows and columns that
// the zero points need are made alongside, by 8 more dp4a for each 16. Exact modulo 2^32.
#pragma once

#include "core/cpu/int8_epilogue.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

constexpr int kInt8Threads = 256, kInt8Tile = 64, kInt8Groups = 8, kInt8PerThread = 4;

struct Int8Size {
  int64_t m, n, k;
};

// What a kernel reads is held as s8.
__device__ inline int32_t hold_s8(uint8_t byte, bool is_signed) {
  return static_cast<int8_t>(is_signed ? byte : byte ^ 0x80u);
}

template <class T>
__device__ T value_at(const PerAxis<T>& v, int64_t row, int64_t col, T absent) {
  return v.data == nullptr ? absent : v.data[row * v.row + col * v.col];
}

// Element (row, col) of the output from the held products and sums: see Int8Epilogue.
__device__ inline void finish_int8(const Int8Epilogue& e, int64_t row, int64_t col, int32_t product,
                                   int32_t a_sum, int32_t b_sum) {
  const auto a_zero =
      static_cast<uint32_t>(value_at(e.a_zero, row, col, 0)) - (e.a_signed ? 0u : 128u);
  const auto b_zero =
      static_cast<uint32_t>(value_at(e.b_zero, row, col, 0)) - (e.b_signed ? 0u : 128u);
  const uint32_t sum = static_cast<uint32_t>(product) - a_zero * static_cast<uint32_t>(b_sum) -
                       b_zero * static_cast<uint32_t>(a_sum) +
                       static_cast<uint32_t>(e.k) * a_zero * b_zero +
                       static_cast<uint32_t>(value_at(e.bias_i32, row, col, 0));
  const int64_t at = row * e.out_row + col;
  if (e.dtype == DType::i32) {
    static_cast<int32_t*>(e.out)[at] = static_cast<int32_t>(sum);
    return;
  }
  float y = static_cast<float>(static_cast<int32_t>(sum)) * value_at(e.scale, row, col, 1.0f);
  y += value_at(e.bias_f32, row, col, 0.0f);
  if (e.relu && y < 0) y = 0;
  if (e.dtype == DType::f32) {
    static_cast<float*>(e.out)[at] = y;
    return;
  }
  const auto low = static_cast<float>(e.low - e.out_zero),
             high = static_cast<float>(e.high - e.out_zero);
  y = y == y ? y : 0.0f;
  y = y < low ? low : y;
  y = y > high ? high : y;
  // Adding 1.5 * 2^23 rounds half to even and leaves the integer in the low bits.
  const int32_t level =
      static_cast<int32_t>(float_to_bits(y + 12582912.0f)) - 0x4b400000 + e.out_zero;
  static_cast<uint8_t*>(e.out)[at] = static_cast<uint8_t>(level);
}

// Four neighbours along k, from `first` on, as one word; zeros beyond k.
template <class Load>
__device__ int32_t load_group(const Load& load, int64_t at, bool exists, int64_t first, int64_t k) {
  uint32_t word = 0;
  if (exists) {
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (first + j < k) word |= (static_cast<uint32_t>(load(at, first + j)) & 0xffu) << (8 * j);
  }
  return static_cast<int32_t>(word);
}

// Problem gives for each batch (first + blockIdx.z): a(row, k) and b(col, k), held as s8, and the epilogue.
template <class Problem>
__global__ void __launch_bounds__(kInt8Threads)
    int8_gemm_dp4a_64x64(const Problem problem, const Int8Size size, int64_t first) {
  SHARED_ARRAY(a_tile, int32_t[kInt8Groups][kInt8Tile]);  // (k / 4, m)
  SHARED_ARRAY(b_tile, int32_t[kInt8Groups][kInt8Tile]);  // (k / 4, n)
  constexpr int kOnes = 0x01010101;
  const int64_t batch = first + blockIdx.z;
  const int64_t row0 = int64_t{blockIdx.y} * kInt8Tile, col0 = int64_t{blockIdx.x} * kInt8Tile;
  const int thread_row = threadIdx.x / 16 * kInt8PerThread,
            thread_col = threadIdx.x % 16 * kInt8PerThread;
  const auto a = problem.a(batch);
  const auto b = problem.b(batch);
  int32_t sum[kInt8PerThread][kInt8PerThread] = {}, a_sum[kInt8PerThread] = {},
          b_sum[kInt8PerThread] = {};
  for (int64_t k0 = 0; k0 < size.k; k0 += 4 * kInt8Groups) {
    for (int i = threadIdx.x; i < kInt8Groups * kInt8Tile; i += kInt8Threads) {
      const int group = i / kInt8Tile, at = i % kInt8Tile;
      a_tile[group][at] = load_group(a, row0 + at, row0 + at < size.m, k0 + 4 * group, size.k);
      b_tile[group][at] = load_group(b, col0 + at, col0 + at < size.n, k0 + 4 * group, size.k);
    }
    __syncthreads();
#pragma unroll
    for (int g = 0; g < kInt8Groups; ++g) {
      int32_t av[kInt8PerThread], bv[kInt8PerThread];
#pragma unroll
      for (int i = 0; i < kInt8PerThread; ++i) {
        av[i] = a_tile[g][thread_row + i];
        bv[i] = b_tile[g][thread_col + i];
        a_sum[i] = __dp4a(av[i], kOnes, a_sum[i]);
        b_sum[i] = __dp4a(bv[i], kOnes, b_sum[i]);
      }
#pragma unroll
      for (int i = 0; i < kInt8PerThread; ++i) {
#pragma unroll
        for (int j = 0; j < kInt8PerThread; ++j) sum[i][j] = __dp4a(av[i], bv[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  const Int8Epilogue e = problem.epilogue(batch);
#pragma unroll
  for (int i = 0; i < kInt8PerThread; ++i) {
#pragma unroll
    for (int j = 0; j < kInt8PerThread; ++j) {
      const int64_t row = row0 + thread_row + i, col = col0 + thread_col + j;
      if (row < size.m && col < size.n) finish_int8(e, row, col, sum[i][j], a_sum[i], b_sum[j]);
    }
  }
}

template <class Problem>
cudaError_t launch_int8_gemm(cudaStream_t stream, const Problem& problem, const Int8Size& size,
                             int64_t batches) {
  constexpr int64_t kMostBlocksZ = 65535;
  for (int64_t first = 0; first < batches; first += kMostBlocksZ) {
    const int64_t count = batches - first < kMostBlocksZ ? batches - first : kMostBlocksZ;
    const dim3 grid(static_cast<unsigned>(ceil_div<int64_t>(size.n, kInt8Tile)),
                    static_cast<unsigned>(ceil_div<int64_t>(size.m, kInt8Tile)),
                    static_cast<unsigned>(count));
    const cudaError_t error = launch(int8_gemm_dp4a_64x64<Problem>, grid, dim3(kInt8Threads), 0,
                                     stream, problem, size, first);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace tilegrad::cuda
