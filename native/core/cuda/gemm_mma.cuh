// C = A B on tensor cores by mma.sync, sm_80 and up, bf16 and f16 with f32 sums: a block of 8 warps
// computes a 128x128 tile of C in K steps of 32, each warp 64x32 of it; two stages, filled by cp.async.
// An operand that lies along K is kept as (row, K) and read by ldmatrix, one that lies along its rows as
// (K, row) and read by ldmatrix.trans; so no transposed copies. Rows are padded by 16 bytes: the 8 rows
// of an ldmatrix phase meet different banks. Chunks of 8 elements that are not aligned or not inside are
// moved element by element. Bytes moved: A once per column of tiles, B once per row of tiles.
#pragma once

#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/ptx.cuh"

namespace tilegrad::cuda {

constexpr int kMmaThreads = 256;
constexpr int kMmaTile = 128;
constexpr int kMmaStep = 32;
constexpr int kAlongK = kMmaStep + 8;     // row length of a (row, K) tile
constexpr int kAlongRows = kMmaTile + 8;  // row length of a (K, row) tile
constexpr int kMmaTileItems =
    kMmaTile * kAlongK > kMmaStep* kAlongRows ? kMmaTile* kAlongK : kMmaStep* kAlongRows;
constexpr int kMmaSharedBytes = 2 * 2 * kMmaTileItems * 2;  // stages, operands, bytes per element

// An operand as (outer, inner), where inner is the dimension that is contiguous in its shared tile.
template <class T>
struct MmaOperand {
  const T* data;
  int64_t outer_stride, inner_stride;
  bool vectors;  // inner_stride is 1 and every row starts on 16 bytes
};

// Copies an outer x inner tile, zero outside; 2 chunks of 8 elements per thread.
template <class T, bool AlongK>
__device__ void load_mma_tile(T* tile, const MmaOperand<T>& from, int64_t outers, int64_t inners) {
  constexpr int kChunks = (AlongK ? kMmaStep : kMmaTile) / 8, kRow = AlongK ? kAlongK : kAlongRows;
#pragma unroll
  for (int i = 0; i < kMmaTile * kMmaStep / 8 / kMmaThreads; i++) {
    const int chunk = i * kMmaThreads + static_cast<int>(threadIdx.x);
    const int outer = chunk / kChunks, inner = chunk % kChunks * 8;
    T* to = tile + outer * kRow + inner;
    const bool empty = outer >= outers || inner >= inners;
    const T* source =
        empty ? from.data : from.data + outer * from.outer_stride + inner * from.inner_stride;
    if (from.vectors && (empty || inner + 8 <= inners)) {
      ptx::cp_async_16(to, source, !empty);
    } else {
      for (int j = 0; j < 8; j++)
        to[j] = !empty && inner + j < inners ? source[j * from.inner_stride] : T{};
    }
  }
}

// The 64x16 fragments of A that a warp multiplies.
template <bool AlongK, class T>
__device__ void load_a(uint32_t (&fragments)[4][4], const T* tile, int row0, int k0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if constexpr (AlongK) {
      ptx::ldmatrix_x4(fragments[i],
                       tile + (row0 + i * 16 + lane % 16) * kAlongK + k0 + lane / 16 * 8);
    } else {
      ptx::ldmatrix_x4_trans(fragments[i], tile + (k0 + lane / 16 * 8 + lane % 8) * kAlongRows +
                                               row0 + i * 16 + lane / 8 % 2 * 8);
    }
  }
}

// The 16x32 fragments of B.
template <bool AlongK, class T>
__device__ void load_b(uint32_t (&fragments)[4][2], const T* tile, int column0, int k0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < 2; j++) {
    uint32_t r[4];
    if constexpr (AlongK) {
      ptx::ldmatrix_x4(r, tile + (column0 + j * 16 + lane / 16 * 8 + lane % 8) * kAlongK + k0 +
                              lane / 8 % 2 * 8);
    } else {
      ptx::ldmatrix_x4_trans(r, tile + (k0 + lane / 8 % 2 * 8 + lane % 8) * kAlongRows + column0 +
                                    j * 16 + lane / 16 * 8);
    }
    fragments[2 * j][0] = r[0];
    fragments[2 * j][1] = r[1];
    fragments[2 * j + 1][0] = r[2];
    fragments[2 * j + 1][1] = r[3];
  }
}

// Bf16 says which of the two 16-bit formats T has.
template <class T, bool Bf16, bool AAlongK, bool BAlongK>
__global__ void __launch_bounds__(kMmaThreads)
    gemm_mma(const Gemm<T> g, const GemmBatch batch, int64_t batches, bool a_vectors,
             bool b_vectors) {
  DYNAMIC_SHARED(T, shared);  // (stage, operand, tile)
  const int64_t columns = ceil_div<int64_t>(g.n, kMmaTile);
  const int64_t m0 = blockIdx.x / columns * kMmaTile, n0 = blockIdx.x % columns * kMmaTile;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warp_m = warp / 4 * 64,
            warp_n = warp % 4 * 32;

  for (int64_t index = blockIdx.y; index < batches; index += gridDim.y) {
    const T* a = g.a + batch_offset(batch, index, batch.a_stride) + m0 * g.a_row;
    const T* b = g.b + batch_offset(batch, index, batch.b_stride) + n0 * g.b_col;
    auto load = [&](int stage, int64_t k0) {
      T* tile_a = shared + stage * 2 * kMmaTileItems;
      T* tile_b = tile_a + kMmaTileItems;
      const MmaOperand<T> from_a{a + k0 * g.a_col, AAlongK ? g.a_row : g.a_col,
                                 AAlongK ? g.a_col : g.a_row, a_vectors};
      const MmaOperand<T> from_b{b + k0 * g.b_row, BAlongK ? g.b_col : g.b_row,
                                 BAlongK ? g.b_row : g.b_col, b_vectors};
      load_mma_tile<T, AAlongK>(tile_a, from_a, AAlongK ? g.m - m0 : g.k - k0,
                                AAlongK ? g.k - k0 : g.m - m0);
      load_mma_tile<T, BAlongK>(tile_b, from_b, BAlongK ? g.n - n0 : g.k - k0,
                                BAlongK ? g.k - k0 : g.n - n0);
      ptx::cp_async_commit();
    };
    float sum[4][4][4] = {};  // (M / 16, N / 8, fragment)
    const int64_t steps = (g.k + kMmaStep - 1) / kMmaStep;
    if (steps > 0) load(0, 0);
    for (int64_t step = 0; step < steps; step++) {
      if (step + 1 < steps) {
        load(static_cast<int>((step + 1) & 1), (step + 1) * kMmaStep);
        ptx::cp_async_wait<1>();
      } else {
        ptx::cp_async_wait<0>();
      }
      __syncthreads();
      const T* tile_a = shared + (step & 1) * 2 * kMmaTileItems;
#pragma unroll
      for (int k = 0; k < kMmaStep; k += 16) {
        uint32_t fragment_a[4][4], fragment_b[4][2];
        load_a<AAlongK>(fragment_a, tile_a, warp_m, k);
        load_b<BAlongK>(fragment_b, tile_a + kMmaTileItems, warp_n, k);
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
          for (int j = 0; j < 4; j++) {
            if constexpr (Bf16) {
              ptx::mma_m16n8k16_bf16(sum[i][j], fragment_a[i], fragment_b[j]);
            } else {
              ptx::mma_m16n8k16_f16(sum[i][j], fragment_a[i], fragment_b[j]);
            }
          }
        }
      }
      __syncthreads();  // before the stage is filled again
    }
    T* c = g.c + batch_offset(batch, index, batch.c_stride);
#pragma unroll
    for (int i = 0; i < 64; i++) {
      const int64_t row = m0 + warp_m + i / 16 * 16 + lane / 4 + i % 4 / 2 * 8;
      const int64_t column = n0 + warp_n + i / 4 % 4 * 8 + lane % 4 * 2 + i % 2;
      if (row < g.m && column < g.n) store_result(g, c, row, column, sum[i / 16][i / 4 % 4][i % 4]);
    }
  }
}

template <class T>
bool starts_on_16_bytes(const T* data, int64_t row_stride, const GemmBatch& batch,
                        const int64_t (&strides)[8]) {
  bool aligned = reinterpret_cast<uintptr_t>(data) % 16 == 0 && row_stride % 8 == 0;
  for (int d = 0; d < batch.rank; d++) aligned = aligned && strides[d] % 8 == 0;
  return aligned;
}

template <class T, bool Bf16>
cudaError_t launch_gemm_mma(cudaStream_t stream, const Gemm<T>& g, const GemmBatch& batch) {
  const bool a_along_k = g.a_col <= g.a_row, b_along_k = g.b_row <= g.b_col;
  const bool a_vectors =
      (a_along_k ? g.a_col : g.a_row) == 1 &&
      starts_on_16_bytes(g.a, a_along_k ? g.a_row : g.a_col, batch, batch.a_stride);
  const bool b_vectors =
      (b_along_k ? g.b_row : g.b_col) == 1 &&
      starts_on_16_bytes(g.b, b_along_k ? g.b_col : g.b_row, batch, batch.b_stride);
  auto* kernel =
      a_along_k ? (b_along_k ? gemm_mma<T, Bf16, true, true> : gemm_mma<T, Bf16, true, false>)
                : (b_along_k ? gemm_mma<T, Bf16, false, true> : gemm_mma<T, Bf16, false, false>);
  const int64_t batches = batch_count(batch);
  const int64_t tiles = ceil_div<int64_t>(g.m, kMmaTile) * ceil_div<int64_t>(g.n, kMmaTile);
  return launch(
      kernel,
      dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(batches < 65535 ? batches : 65535)),
      dim3(kMmaThreads), kMmaSharedBytes, stream, g, batch, batches, a_vectors, b_vectors);
}

}  // namespace tilegrad::cuda
