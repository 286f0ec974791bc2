// The loops over the tiles of packed panels. For *_simd.cc files only.
#pragma once

#include "core/cpu/gemm_tile.h"

namespace tilegrad::TILEGRAD_ISA {

template <class T>
TG_SIMD GemmGeometry gemm_geometry() {
  // A block of A takes row_block * depth elements of L2, a panel of B one_tile_depth * tile_cols of L1. Where
  // many panels of A pass, a deeper B may come from L2: C is then read and written less often.
#if defined(TILEGRAD_ISA_AVX512)
  constexpr int depth = 512 * 4 / sizeof(T), row_block = kTileRows * 28;
  constexpr int one_tile_depth = 208 * 4 / sizeof(T);
#elif defined(TILEGRAD_ISA_AVX2)
  constexpr int depth = 256 * 4 / sizeof(T), row_block = kTileRows * 24, one_tile_depth = depth;
#else
  constexpr int depth = 256, row_block = kTileRows * 32, one_tile_depth = depth;
#endif
  return {kTileRows, kTileCols<T>, kSmallRows, kLanes<T>, depth, one_tile_depth, row_block};
}

// B panel by B panel: it stays in L1 while the panels of A stream past it from L2.
template <class T>
TG_SIMD void gemm_packed(const PackedGemm<T>& g) {
  constexpr int W = kLanes<T>;
  TileArgs<T> t = {};
  t.k = g.k;
  t.c_row = g.c_row;
  t.accumulate = g.accumulate;
  t.relu = g.relu;
  const int64_t panels = (g.m + g.panel_rows - 1) / g.panel_rows;
  const int last_rows = static_cast<int>(g.m - (panels - 1) * g.panel_rows);
  // While a panel of B is used, the next one comes into L2, a part with each panel of A.
  constexpr int64_t kPair = 128 / sizeof(T);
  const int64_t share = (kTileCols<T> * g.k / kPair + panels - 1) / panels;
  for (int64_t j = 0; j < g.n; j += kTileCols<T>) {
    const int cols = static_cast<int>(g.n - j < kTileCols<T> ? g.n - j : kTileCols<T>);
    const int vectors = (cols + W - 1) / W;
    const TileFunction<T> whole = tile_function<T, true>(g.panel_rows, vectors);
    const TileFunction<T> last = tile_function<T, true>(last_rows, vectors);
    t.b = g.b + j * g.k;
    t.last = cols - (vectors - 1) * W;
    t.bias_col = g.bias_col != nullptr ? g.bias_col + j : nullptr;
    t.next_pairs = 0;
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t i = p * g.panel_rows;
      t.a = g.a + i * g.k;
      t.c = g.c + i * g.c_row + j;
      t.bias_row = g.bias_row != nullptr ? g.bias_row + i : nullptr;
      if (j + kTileCols<T> < g.n || g.more) {
        t.next = t.b + kTileCols<T> * g.k + p * share * kPair;
        t.next_pairs = share;
      }
      (p + 1 < panels ? whole : last)(t);
    }
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
