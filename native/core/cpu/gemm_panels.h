// The loops over the tiles of panels. For *_simd.cc files only.
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

// B panel by B panel, while the panels of A stream past it. Rows of B are packed into the panel as the first panel
// of A is multiplied. Meanwhile the next panel of B comes into L2, a part with each panel of A.
template <class T, TileA A>
TG_SIMD void panels_of(const GemmPanels<T>& g) {
  constexpr int W = kLanes<T>, kCols = kTileCols<T>;
  const bool rows = g.b_row != 0;
  TileArgs<T> t = {};
  t.k = g.k;
  t.a_stride = A == TileA::rows ? g.a_row : g.a_col;
  t.b_row = g.b_row;
  t.c_row = g.c_row;
  t.accumulate = g.accumulate;
  t.relu = g.activation == Activation::relu;
  t.next_row = rows ? g.b_row : kCols;
  const int64_t panels = (g.m + g.panel_rows - 1) / g.panel_rows;
  // What is read where it lies is shared out evenly: 128 rows as 8 panels of 9 and 7 of 8, not as 14 of 9 and one of 2.
  constexpr bool packed = A == TileA::packed;
  const int most = packed ? g.panel_rows : static_cast<int>((g.m + panels - 1) / panels);
  const int64_t tall = packed ? panels - 1 : g.m - panels * (most - 1);
  const int least = static_cast<int>(tall < panels ? (g.m - tall * most) / (panels - tall) : most);
  const int64_t share = (g.k + panels - 1) / panels;
  int cols = 0;
  for (int64_t j = 0; j < g.n; j += cols) {
    const int64_t left = g.n - j;
    cols = static_cast<int>(rows ? panel_cols(left, kCols, W) : left < kCols ? left : kCols);
    const int vectors = (cols + W - 1) / W;
    const TileFunction<T> whole = tile_function<T, A, TileB::panel>(most, vectors);
    const TileFunction<T> last = tile_function<T, A, TileB::panel>(least, vectors);
    t.b_rows = g.b + j;
    t.b = rows ? g.panel : g.b + j * g.k;
    t.fill = g.panel;
    t.last = cols - (vectors - 1) * W;
    t.bias_col = g.bias_col != nullptr ? g.bias_col + j : nullptr;
    const T* next = j + cols < g.n ? (rows ? g.b + j + cols : g.b + (j + cols) * g.k) : g.next;
    t.next_rows = next != nullptr ? share : 0;
    int64_t i = 0;
    for (int64_t p = 0; p < panels; ++p) {
      const int height = p < tall ? most : least;
      t.a = g.a + i * (packed ? g.k : A == TileA::rows ? g.a_row : 1);
      t.c = g.c + i * g.c_row + j;
      t.bias_row = g.bias_row != nullptr ? g.bias_row + i : nullptr;
      t.residual = g.residual != nullptr ? g.residual + (t.c - g.c) : nullptr;
      if (next != nullptr) t.next = next + p * share * t.next_row;
      const TileFunction<T> next_tile = p < tall ? whole : last;
      if constexpr (!packed) {
        (rows && p == 0 ? tile_function<T, A, TileB::fill>(height, vectors) : next_tile)(t);
      } else {
        next_tile(t);
      }
      activate_tile(t, height, cols, g.activation);
      i += height;
    }
  }
}

template <class T>
TG_SIMD void gemm_panels(const GemmPanels<T>& g) {
  if (g.a_row != 0) return panels_of<T, TileA::rows>(g);
  if (g.a_col != 0) return panels_of<T, TileA::columns>(g);
  panels_of<T, TileA::packed>(g);
}

}  // namespace tilegrad::TILEGRAD_ISA
