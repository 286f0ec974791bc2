// C = A B on Hopper's tensor cores by wgmma_tile.cuh: bf16, f16, f32 rounded to tf32 by TMA, and f32 as sums of two tf32
// (wgmma_tf32x3.cuh), with f32 sums. Where few tiles split the depth, ranges give partial sums in f32, which are added in
// order by a second kernel (split_k.h); other results go by wgmma_store.cuh. Limits: lines start on 16 bytes (pack_operand.h). Bytes moved: A once per column
// of tiles, B once per row of tiles or, in clusters, per two of them.
#pragma once

#include "core/cuda/wgmma_store.cuh"
#include "core/cuda/wgmma_tf32x3.cuh"

namespace tilegrad::cuda {

// `partial`: (range, batch, m, n) where the depth is split, else null.
template <class Kind>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    gemm_wgmma(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
               const __grid_constant__ CUtensorMap map_c, const Gemm<typename Kind::Element> g,
               const GemmBatch batch, const WgmmaPlan plan, const WgmmaOutput output,
               float* __restrict__ partial) {
#if TILEGRAD_SM90A
  using E = typename Kind::Element;
  constexpr int kColumns = Kind::kColumns;
  DYNAMIC_SHARED(WgmmaShared<typename Kind::Ring>, shared);
  int turn = 0;
  const auto store = [&](const WgmmaUnit& unit, int64_t row0, const float(&sum)[kColumns / 2]) {
    if (row0 >= g.m) return;  // the second block of a cluster may be beyond the last row
    auto& staged = shared->staged[threadIdx.x / 128 - 1];
    if (output.by_tma && (plan.batches == 1 || row0 + 64 <= g.m)) {
      const int64_t line = batch_offset(batch, unit.matrix, output.steps.line) + row0;
      store_chunks<E>(staged, turn, sum, map_c, g.n - unit.column, static_cast<int>(unit.column),
                      static_cast<int>(line));
      return;
    }
    E* c = g.c + batch_offset(batch, unit.matrix, batch.c_stride);
    const int64_t matrix = unit.range * plan.batches + unit.matrix;
    store_by_rows(staged, sum, row0, g.m, unit.column, g.n,
                  [&](int64_t row, int64_t column, float value) {
                    if (partial != nullptr)
                      partial[(matrix * g.m + row) * g.n + column] = value;
                    else
                      store_result(g, c, row, column, value);
                  });
  };
  wgmma_product<Kind>(shared->ring, WgmmaMaps{&map_a, &map_b}, batch, plan, store,
                      [] { store_finish(); });
#endif
}

}  // namespace tilegrad::cuda
