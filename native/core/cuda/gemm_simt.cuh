// C = A B without tensor cores: a block of 256 threads computes a Tile x Tile tile of C, each thread
// Tile/16 x Tile/16 of it in runs of 4, in K steps of 16 through shared memory, which a warp reads 16 bytes at a time
// without a conflict (8 x 4 lanes). The next step is loaded to registers while this one is multiplied. Sums run over K in
// order; few tiles of a deep product split K into ranges, whose sums a second kernel adds in order (split_k.h).
// Bytes moved: A once per column of tiles, B once per row of tiles. Any strides; the loader walks the
// dimension that lies closest in memory. Sum is float for 16-bit and f32 elements, double for f64.
#pragma once

#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/split_k.h"

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

// Four neighbours, read at once.
template <class Sum>
struct alignas(16) Quad {
  Sum values[4];
};

// Row `i` of a thread's rows (or columns) among those of the tile; `place` counts threads.
__device__ inline int simt_line(int place, int i) { return i / 4 * 64 + place * 4 + i % 4; }

template <class Sum, int Tile>
__device__ void simt_multiply(const Sum (&tile_a)[kSimtStep][Tile + 4],
                              const Sum (&tile_b)[kSimtStep][Tile + 4], int row, int column,
                              Sum (&sum)[Tile / 16][Tile / 16]) {
  constexpr int kPer = Tile / 16;
#pragma unroll
  for (int k = 0; k < kSimtStep; k++) {
    Quad<Sum> left[kPer / 4], right[kPer / 4];
#pragma unroll
    for (int i = 0; i < kPer / 4; i++) {
      left[i] = *reinterpret_cast<const Quad<Sum>*>(&tile_a[k][simt_line(row, i * 4)]);
      right[i] = *reinterpret_cast<const Quad<Sum>*>(&tile_b[k][simt_line(column, i * 4)]);
    }
#pragma unroll
    for (int i = 0; i < kPer; i++) {
#pragma unroll
      for (int j = 0; j < kPer; j++)
        sum[i][j] += left[i / 4].values[i % 4] * right[j / 4].values[j % 4];
    }
  }
}

// Puts the thread's sums of rows 32 pass .. 32 pass + 31 of the tile into `rows`, row-major.
template <class Sum, int Tile>
__device__ void simt_stage(Sum* rows, const Sum (&sum)[Tile / 16][Tile / 16], int pass, int row,
                           int column) {
  if (row / 8 != pass % 2) return;
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < Tile / 16; j++)
      rows[(row % 8 * 4 + i) * Tile + simt_line(column, j)] = sum[pass / 2 * 4 + i][j];
  }
}

struct SimtLaunch {
  int64_t batches = 1;
  SplitK split{INT32_MAX, 1};
  void* partial = nullptr;  // sums (range, batch, m, n) where the depth is split
};

template <class T, class Sum, int Tile>
__global__ void __launch_bounds__(kSimtThreads, sizeof(Sum) == 4 && Tile == 64 ? 2 : 1)
    gemm_simt(const Gemm<T> g, const GemmBatch batch, const SimtLaunch plan) {
  constexpr int kPer = Tile / 16;
  SHARED_ARRAY(tiles, Sum[2][kSimtStep][Tile + 4]);  // (K, M), (K, N)
  const int64_t columns = ceil_div<int64_t>(g.n, Tile);
  const int64_t m0 = blockIdx.x / columns * Tile, n0 = blockIdx.x % columns * Tile;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row = warp / 2 * 4 + lane / 8, column = warp % 2 * 8 + lane % 8;  // of 16 x 16 threads
  const bool a_k_first = g.a_col <= g.a_row, b_k_first = g.b_row <= g.b_col;
  const int64_t begin = int64_t{blockIdx.z} * plan.split.length;
  const bool split = plan.partial != nullptr && g.k - begin > plan.split.length;
  const int64_t end = split ? begin + plan.split.length : g.k;

  for (int64_t index = blockIdx.y; index < plan.batches; index += gridDim.y) {
    const T* a = g.a + batch_offset(batch, index, batch.a_stride) + m0 * g.a_row;
    const T* b = g.b + batch_offset(batch, index, batch.b_stride) + n0 * g.b_col;
    Sum sum[kPer][kPer] = {};  // (M, N)
    Strip<T, Sum, Tile> strip_a, strip_b;
    const auto load = [&](int64_t k) {
      strip_a.load(a + k * g.a_col, g.a_row, g.a_col, g.m - m0, end - k);
      strip_b.load(b + k * g.b_row, g.b_col, g.b_row, g.n - n0, end - k);
    };
    load(begin);
    for (int64_t k0 = begin; k0 < end; k0 += kSimtStep) {
      strip_a.store(tiles[0], a_k_first);
      strip_b.store(tiles[1], b_k_first);
      __syncthreads();
      if (k0 + kSimtStep < end) load(k0 + kSimtStep);
      simt_multiply<Sum, Tile>(tiles[0], tiles[1], row, column, sum);
      __syncthreads();
    }
    T* c = g.c + batch_offset(batch, index, batch.c_stride);
    auto* partial = static_cast<Sum*>(plan.partial);
    if (partial != nullptr) partial += (blockIdx.z * plan.batches + index) * g.m * g.n;
    // By way of shared memory, 32 rows at a time, so that neighbouring threads store neighbours.
    Sum* rows = &tiles[0][0][0];
#pragma unroll
    for (int pass = 0; pass < Tile / 32; pass++) {
      simt_stage<Sum, Tile>(rows, sum, pass, row, column);
      __syncthreads();
#pragma unroll 1
      for (int e = threadIdx.x; e < 32 * Tile; e += kSimtThreads) {
        const int64_t r = m0 + pass * 32 + e / Tile, n = n0 + e % Tile;
        if (r >= g.m || n >= g.n) continue;
        if (partial != nullptr)
          partial[r * g.n + n] = rows[e];
        else
          store_result(g, c, r, n, rows[e]);
      }
      __syncthreads();
    }
  }
}

inline int64_t simt_tiles(int64_t m, int64_t n, int64_t tile) {
  return ceil_div<int64_t>(m, tile) * ceil_div<int64_t>(n, tile);
}

template <class T>
SplitK simt_split(const Gemm<T>& g, int64_t batches) {
  return split_depth(simt_tiles(g.m, g.n, 64) * batches, g.k, kSimtStep, 512);
}

// Small tiles where large ones would leave most of the device idle. `partial` has room for split.ranges * batches * m * n
// sums, or is null and the depth is not split.
template <class T, class Sum>
cudaError_t launch_gemm_simt(cudaStream_t stream, int multiprocessors, const Gemm<T>& g,
                             const GemmBatch& batch, SplitK split = {INT32_MAX, 1},
                             Sum* partial = nullptr) {
  SimtLaunch plan;
  plan.batches = batch_count(batch);
  if (partial != nullptr) plan.split = split, plan.partial = partial;
  const int64_t large = simt_tiles(g.m, g.n, 128), small = simt_tiles(g.m, g.n, 64);
  const bool take_large = sizeof(Sum) == 4 && large * plan.batches >= 2 * multiprocessors;
  const dim3 grid(static_cast<unsigned>(take_large ? large : small),
                  static_cast<unsigned>(plan.batches < 65535 ? plan.batches : 65535),
                  static_cast<unsigned>(plan.split.ranges));
  auto* kernel = gemm_simt<T, Sum, 64>;
  if constexpr (sizeof(Sum) == 4) kernel = take_large ? gemm_simt<T, Sum, 128> : kernel;
  const cudaError_t error = launch(kernel, grid, dim3(kSimtThreads), 0, stream, g, batch, plan);
  if (error != cudaSuccess || partial == nullptr) return error;
  const int64_t numel = plan.batches * g.m * g.n, blocks = ceil_div<int64_t>(numel, 256);
  return launch(add_ranges<T, Sum>, dim3(static_cast<unsigned>(blocks < 4096 ? blocks : 4096)),
                dim3(256), 0, stream, partial, g, batch, numel, split.ranges);
}

}  // namespace tilegrad::cuda
