// Small products without packing: the tile reads the rows or columns of A and the rows of B where they
// lie. Right as long as B stays in L1 or L2 and its rows do not fall on the same cache sets.
#include "core/cpu/gemm_tile.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int64_t kShallow = 16;  // k

// Rows are shared out evenly: 16 rows run as 8 and 8, not as 14 and 2. Where k is shallow writing C counts: row by row.
template <class T, TileA A>
TG_SIMD void small(const Gemm<T>& g) {
  constexpr int W = kLanes<T>, kCols = kSmallVectors * W;
  TileArgs<T> t = {};
  t.k = g.k;
  t.a_stride = A == TileA::rows ? g.a_row : g.a_col;
  t.b_row = g.b_row;
  t.c_row = g.c_row;
  t.accumulate = g.accumulate;
  t.relu = g.activation == Activation::relu;
  const int64_t panels = (g.m + kSmallRows - 1) / kSmallRows;
  const int64_t rows = (g.m + panels - 1) / panels, columns = (g.n + kCols - 1) / kCols;
  const int left = static_cast<int>(g.n - (columns - 1) * kCols), vectors = (left + W - 1) / W;
  const int least = static_cast<int>(g.m - (panels - 1) * rows);
  // By the last of the rows, and of the columns.
  const TileFunction<T> tiles[2][2] = {
      {tile_function<T, A, TileB::rows>(static_cast<int>(rows), kSmallVectors),
       tile_function<T, A, TileB::rows>(static_cast<int>(rows), vectors)},
      {tile_function<T, A, TileB::rows>(least, kSmallVectors),
       tile_function<T, A, TileB::rows>(least, vectors)}};
  const auto tile = [&](int64_t panel, int64_t column) __attribute__((always_inline)) {
    const int64_t i = panel * rows, j = column * kCols;
    const bool last_row = panel == panels - 1, last_column = column == columns - 1;
    t.b_rows = g.b + j;
    t.last = last_column ? left - (vectors - 1) * W : W;
    t.bias_col = g.bias_axis == BiasAxis::col ? g.bias + j : nullptr;
    t.a = g.a + (A == TileA::rows ? i * g.a_row : i);
    t.c = g.c + i * g.c_row + j;
    t.bias_row = g.bias_axis == BiasAxis::row ? g.bias + i : nullptr;
    t.residual = g.residual != nullptr ? g.residual + (t.c - g.c) : nullptr;
    tiles[last_row][last_column](t);
    activate_tile(t, last_row ? least : rows, last_column ? left : kCols, g.activation);
  };
  if (g.k <= kShallow) {
    for (int64_t i = 0; i < panels; ++i) {
      for (int64_t j = 0; j < columns; ++j) tile(i, j);
    }
  } else {
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < panels; ++i) tile(i, j);
    }
  }
}

template <class T>
TG_SIMD void small(const Gemm<T>& g) {
  g.a_col == 1 ? small<T, TileA::rows>(g) : small<T, TileA::columns>(g);
}

}  // namespace

void gemm_small_f32(const Gemm<float>& g) { small(g); }
void gemm_small_f64(const Gemm<double>& g) { small(g); }

}  // namespace tilegrad::TILEGRAD_ISA
