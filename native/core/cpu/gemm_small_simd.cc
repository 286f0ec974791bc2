// Small products without packing: the tile reads A through its strides and the rows of B where they
// lie. Right as long as B stays in L1 or L2 and its rows do not fall on the same cache sets.
#include "core/cpu/gemm_tile.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

template <class T>
TG_SIMD void small(const Gemm<T>& g) {
  constexpr int W = kLanes<T>, kCols = kSmallVectors * W;
  TileArgs<T> t = {};
  t.k = g.k;
  t.a_row = g.a_row;
  t.a_col = g.a_col;
  t.b_row = g.b_row;
  t.c_row = g.c_row;
  t.accumulate = g.accumulate;
  t.relu = g.activation == Activation::relu;
  // Rows are shared out evenly: 16 rows run as 8 and 8, not as 14 and 2.
  const int64_t panels = (g.m + kSmallRows - 1) / kSmallRows;
  const int64_t rows = (g.m + panels - 1) / panels;
  for (int64_t j = 0; j < g.n; j += kCols) {
    const int cols = static_cast<int>(g.n - j < kCols ? g.n - j : kCols);
    const int vectors = (cols + W - 1) / W;
    t.b_rows = g.b + j;
    t.last = cols - (vectors - 1) * W;
    t.bias_col = g.bias_axis == BiasAxis::col ? g.bias + j : nullptr;
    for (int64_t i = 0; i < g.m; i += rows) {
      const int64_t height = g.m - i < rows ? g.m - i : rows;
      t.a = g.a + i * g.a_row;
      t.c = g.c + i * g.c_row + j;
      t.bias_row = g.bias_axis == BiasAxis::row ? g.bias + i : nullptr;
      t.residual = g.residual != nullptr ? g.residual + (t.c - g.c) : nullptr;
      tile_function<T, TileA::strided, TileB::rows>(static_cast<int>(height), vectors)(t);
      activate_tile(t, height, cols, g.activation);
    }
  }
}

}  // namespace

void gemm_small_f32(const Gemm<float>& g) { small(g); }
void gemm_small_f64(const Gemm<double>& g) { small(g); }

}  // namespace tilegrad::TILEGRAD_ISA
