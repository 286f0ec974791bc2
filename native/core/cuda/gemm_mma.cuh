// C = A B on tensor cores by mma.sync, sm_80 and up: bf16 and f16, and f32 rounded to tf32, with f32 sums. A block makes a
// tile of 128x128 (8 warps of 64x32) or 64x64 (4 warps of 32x32) by mma_tile.cuh; operands that lie along K or along
// their lines are read where they lie, in any batch strides. Tiles are numbered in groups of 8 rows, so that blocks
// that run together share rows and columns of tiles in L2. Few tiles of a deep product split K (split_k.h): partial
// sums in f32, added in order by a second kernel. Bytes moved: A once per column of tiles, B once per row of tiles.
#pragma once

#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/mma_tile.cuh"
#include "core/cuda/split_k.h"
#include "core/cuda/tile_place.cuh"

namespace tilegrad::cuda {

struct MmaLaunch {
  int64_t batches = 1;
  bool a_vectors = false, b_vectors = false, paired = false;
  SplitK split{INT32_MAX, 1};
  float* partial = nullptr;  // (range, batch, m, n) where the depth is split
};

template <class Kind, class Shape, bool AAlongK, bool BAlongK>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    gemm_mma(const Gemm<typename Kind::Element> g, const GemmBatch batch, const MmaLaunch plan) {
  using E = typename Kind::Element;
  DYNAMIC_SHARED(unsigned char, shared);
  const TilePlace tile =
      tile_place(blockIdx.x, ceil_div<int64_t>(g.m, Shape::kM), ceil_div<int64_t>(g.n, Shape::kN));
  const int64_t m0 = tile.row * Shape::kM, n0 = tile.column * Shape::kN;
  const int begin = static_cast<int>(blockIdx.z) * plan.split.length;
  const int depth = static_cast<int>(g.k);
  const int end = depth - begin > plan.split.length ? begin + plan.split.length : depth;
  for (int64_t index = blockIdx.y; index < plan.batches; index += gridDim.y) {
    const StridedOperand<E, AAlongK> a{g.a + batch_offset(batch, index, batch.a_stride), g.a_row,
                                       g.a_col, g.m, plan.a_vectors};
    const StridedOperand<E, BAlongK> b{g.b + batch_offset(batch, index, batch.b_stride), g.b_col,
                                       g.b_row, g.n, plan.b_vectors};
    MmaSums<Kind, Shape> sum = {};
    mma_product<Kind, Shape>(shared, a, b, m0, n0, begin, end, sum);
    E* c = g.c + batch_offset(batch, index, batch.c_stride);
    each_pair_by_rows<Kind, Shape>(
        shared, sum, m0, n0, [&](int64_t row, int64_t column, float x, float y) {
          if (plan.partial == nullptr) {
            store_pair(g, c, row, column, x, y, plan.paired);
            return;
          }
          if (row >= g.m) return;
          const int64_t matrix = blockIdx.z * plan.batches + index;
          float* out = plan.partial + (matrix * g.m + row) * g.n + column;
          if (column < g.n) out[0] = x;
          if (column + 1 < g.n) out[1] = y;
        });
  }
}

// Every chunk of 16 bytes of the operand starts on 16 bytes.
template <class T>
bool starts_on_16_bytes(const T* data, int64_t stride, int64_t neighbours, const GemmBatch& batch,
                        const int64_t (&strides)[8]) {
  constexpr int64_t kPer = 16 / sizeof(T);
  bool aligned =
      neighbours == 1 && reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % kPer == 0;
  for (int d = 0; d < batch.rank; d++) aligned = aligned && strides[d] % kPer == 0;
  return aligned;
}

template <class Kind, class Shape>
auto* gemm_mma_kernel(bool a_along_k, bool b_along_k) {
  if (a_along_k)
    return b_along_k ? gemm_mma<Kind, Shape, true, true> : gemm_mma<Kind, Shape, true, false>;
  return b_along_k ? gemm_mma<Kind, Shape, false, true> : gemm_mma<Kind, Shape, false, false>;
}

template <class Shape>
int64_t mma_tiles(int64_t m, int64_t n) {
  return ceil_div<int64_t>(m, Shape::kM) * ceil_div<int64_t>(n, Shape::kN);
}

// Large tiles where they give every multiprocessor of a large device work. `split` is that of the small tiles.
inline bool takes_large_tiles(int64_t m, int64_t n, int64_t batches) {
  return m > 64 && n > 64 && mma_tiles<MmaLarge>(m, n) * batches >= 128;
}

template <class E>
SplitK gemm_split(const Gemm<E>& g, int64_t batches) {
  return split_depth(mma_tiles<MmaSmall>(g.m, g.n) * batches, g.k, kMmaStepBytes / sizeof(E), 512);
}

// `partial` has room for split.ranges * batches * m * n sums, or is null and the depth is not split.
template <class Kind>
cudaError_t launch_gemm_mma(cudaStream_t stream, const Gemm<typename Kind::Element>& g,
                            const GemmBatch& batch, SplitK split = {INT32_MAX, 1},
                            float* partial = nullptr) {
  const bool a_along_k = g.a_col <= g.a_row, b_along_k = g.b_row <= g.b_col;
  MmaLaunch plan;
  plan.batches = batch_count(batch);
  plan.a_vectors = a_along_k ? starts_on_16_bytes(g.a, g.a_row, g.a_col, batch, batch.a_stride)
                             : starts_on_16_bytes(g.a, g.a_col, g.a_row, batch, batch.a_stride);
  plan.b_vectors = b_along_k ? starts_on_16_bytes(g.b, g.b_col, g.b_row, batch, batch.b_stride)
                             : starts_on_16_bytes(g.b, g.b_row, g.b_col, batch, batch.b_stride);
  plan.paired = stores_pairs(g, batch);
  if (partial != nullptr) plan.split = split, plan.partial = partial;
  const bool large = takes_large_tiles(g.m, g.n, plan.batches);
  const int64_t tiles = large ? mma_tiles<MmaLarge>(g.m, g.n) : mma_tiles<MmaSmall>(g.m, g.n);
  const dim3 grid(static_cast<unsigned>(tiles),
                  static_cast<unsigned>(plan.batches < 65535 ? plan.batches : 65535),
                  static_cast<unsigned>(plan.split.ranges));
  const cudaError_t error =
      large ? launch(gemm_mma_kernel<Kind, MmaLarge>(a_along_k, b_along_k), grid,
                     dim3(MmaLarge::kThreads), MmaLarge::kSharedBytes, stream, g, batch, plan)
            : launch(gemm_mma_kernel<Kind, MmaSmall>(a_along_k, b_along_k), grid,
                     dim3(MmaSmall::kThreads), MmaSmall::kSharedBytes, stream, g, batch, plan);
  if (error != cudaSuccess || partial == nullptr) return error;
  const int64_t numel = plan.batches * g.m * g.n, blocks = ceil_div<int64_t>(numel, 256);
  return launch(add_ranges<typename Kind::Element, float>,
                dim3(static_cast<unsigned>(blocks < 4096 ? blocks : 4096)), dim3(256), 0, stream,
                partial, g, batch, numel, split.ranges);
}

}  // namespace tilegrad::cuda
