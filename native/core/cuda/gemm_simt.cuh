// C = A B without tensor cores: a block of 256 threads computes a Tile x Tile tile of C, each thread
// Tile/16 x Tile/16 of it, in K steps of 16 through shared memory. The next step is loaded to registers
// while this one is multiplied. Sums run over K in order, so results do not depend on the grid.
// Bytes moved: A once per column of tiles, B once per row of tiles. Any strides; the loader walks the
// dimension that lies closest in memory. Sum is float for 16-bit and f32 elements, double for f64.
#pragma once

#include "core/cuda/gemm_operands.cuh"

namespace tilegrad::cuda {

constexpr int kSimtThreads = 256;
constexpr int kSimtStep = 16;

// A strip of an operand: Tile rows (of M or N) by kSimtStep of K, in registers between memory and shared.
template <class T, class Sum, int Tile>
struct Strip {
  static constexpr int kCount = Tile * kSimtStep / kSimtThreads;
  Sum items[kCount];

  // Item i lies at (row + i * row_step, k + i * k_step): one address per thread, not one per item.
  struct Place {
    int row, k, row_step, k_step;
    __device__ explicit Place(bool k_first) {
      const int t = static_cast<int>(threadIdx.x);
      row = k_first ? t / kSimtStep : t % Tile;
      k = k_first ? t % kSimtStep : t / Tile;
      row_step = k_first ? kSimtThreads / kSimtStep : 0;
      k_step = k_first ? 0 : kSimtThreads / Tile;
    }
  };

  __device__ void load(const T* from, int64_t row_stride, int64_t k_stride, int64_t rows,
                       int64_t ks) {
    const Place at(k_stride <= row_stride);
    from += at.row * row_stride + at.k * k_stride;
    const int64_t step = at.row_step * row_stride + at.k_step * k_stride;
    const int rows_left = static_cast<int>(rows < Tile ? rows : Tile);
    const int ks_left = static_cast<int>(ks < kSimtStep ? ks : kSimtStep);
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      const bool inside = at.row + i * at.row_step < rows_left && at.k + i * at.k_step < ks_left;
      items[i] = inside ? static_cast<Sum>(*from) : Sum(0);
      from += step;
    }
  }

  __device__ void store(Sum (&to)[kSimtStep][Tile + 4], bool k_first) const {
    const Place at(k_first);
#pragma unroll
    for (int i = 0; i < kCount; i++) to[at.k + i * at.k_step][at.row + i * at.row_step] = items[i];
  }
};

template <class T, class Sum, int Tile>
__global__ void __launch_bounds__(kSimtThreads)
    gemm_simt(const Gemm<T> g, const GemmBatch batch, int64_t batches) {
  constexpr int kPer = Tile / 16;
  SHARED_ARRAY(tile_a, Sum[kSimtStep][Tile + 4]);  // (K, M)
  SHARED_ARRAY(tile_b, Sum[kSimtStep][Tile + 4]);  // (K, N)
  const int64_t columns = ceil_div<int64_t>(g.n, Tile);
  const int64_t m0 = blockIdx.x / columns * Tile, n0 = blockIdx.x % columns * Tile;
  const int row0 = threadIdx.x / 16 * kPer, column0 = threadIdx.x % 16 * kPer;
  const bool a_k_first = g.a_col <= g.a_row, b_k_first = g.b_row <= g.b_col;

  for (int64_t index = blockIdx.y; index < batches; index += gridDim.y) {
    const T* a = g.a + batch_offset(batch, index, batch.a_stride) + m0 * g.a_row;
    const T* b = g.b + batch_offset(batch, index, batch.b_stride) + n0 * g.b_col;
    Sum sum[kPer][kPer] = {};  // (M, N)
    Strip<T, Sum, Tile> strip_a, strip_b;
    strip_a.load(a, g.a_row, g.a_col, g.m - m0, g.k);
    strip_b.load(b, g.b_col, g.b_row, g.n - n0, g.k);
    for (int64_t k0 = 0; k0 < g.k; k0 += kSimtStep) {
      strip_a.store(tile_a, a_k_first);
      strip_b.store(tile_b, b_k_first);
      __syncthreads();
      const int64_t next = k0 + kSimtStep;
      if (next < g.k) {
        strip_a.load(a + next * g.a_col, g.a_row, g.a_col, g.m - m0, g.k - next);
        strip_b.load(b + next * g.b_row, g.b_col, g.b_row, g.n - n0, g.k - next);
      }
#pragma unroll
      for (int k = 0; k < kSimtStep; k++) {
        Sum left[kPer], right[kPer];
#pragma unroll
        for (int i = 0; i < kPer; i++) left[i] = tile_a[k][row0 + i];
#pragma unroll
        for (int j = 0; j < kPer; j++) right[j] = tile_b[k][column0 + j];
#pragma unroll
        for (int i = 0; i < kPer; i++) {
#pragma unroll
          for (int j = 0; j < kPer; j++) sum[i][j] += left[i] * right[j];
        }
      }
      __syncthreads();
    }
    T* c = g.c + batch_offset(batch, index, batch.c_stride);
#pragma unroll
    for (int i = 0; i < kPer; i++) {
#pragma unroll
      for (int j = 0; j < kPer; j++) {
        const int64_t row = m0 + row0 + i, column = n0 + column0 + j;
        if (row < g.m && column < g.n) store_result(g, c, row, column, sum[i][j]);
      }
    }
  }
}

// Small tiles where large ones would leave most of the device idle.
template <class T, class Sum>
cudaError_t launch_gemm_simt(cudaStream_t stream, int multiprocessors, const Gemm<T>& g,
                             const GemmBatch& batch) {
  const int64_t batches = batch_count(batch);
  const int64_t large = ceil_div<int64_t>(g.m, 128) * ceil_div<int64_t>(g.n, 128);
  const auto rows = static_cast<unsigned>(batches < 65535 ? batches : 65535);
  if constexpr (sizeof(Sum) == 4) {
    if (large * batches >= 2 * multiprocessors) {
      return launch(gemm_simt<T, Sum, 128>, dim3(static_cast<unsigned>(large), rows),
                    dim3(kSimtThreads), 0, stream, g, batch, batches);
    }
  }
  const int64_t small = ceil_div<int64_t>(g.m, 64) * ceil_div<int64_t>(g.n, 64);
  return launch(gemm_simt<T, Sum, 64>, dim3(static_cast<unsigned>(small), rows), dim3(kSimtThreads),
                0, stream, g, batch, batches);
}

}  // namespace tilegrad::cuda
