// C = A B on Hopper's tensor cores by wgmma_tile.cuh: bf16, f16, and f32 rounded to tf32 by TMA, with f32 sums.
// Limits: lines start on 16 bytes (pack_operand.h). Bytes moved: A once per column of tiles, B once per row of tiles.
#pragma once

#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

template <class Kind>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    gemm_wgmma(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
               const Gemm<typename Kind::Element> g, const GemmBatch batch, const WgmmaPlan plan,
               bool paired) {
#if TILEGRAD_SM90A
  constexpr int kColumns = Kind::kColumns;
  DYNAMIC_SHARED(WgmmaRing<kColumns>, ring);
  wgmma_product<Kind>(
      *ring, map_a, map_b, g.m, g.n, static_cast<int>(g.k), batch, plan,
      [&](int64_t matrix, int64_t row0, int64_t column0, const float(&sum)[kColumns / 2]) {
        auto* c = g.c + batch_offset(batch, matrix, batch.c_stride);
        each_wgmma_pair<kColumns>(sum, row0, column0,
                                  [&](int64_t row, int64_t column, float x, float y) {
                                    store_pair(g, c, row, column, x, y, paired);
                                  });
      });
#endif
}

}  // namespace tilegrad::cuda
