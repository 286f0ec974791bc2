// What the blocking of a matrix product (gemm.cc, and convolution) asks of the SIMD files.
//
// Panels: A is cut into panels of up to `tile_rows` rows, each stored [k][rows of the panel]; B into
// panels of `tile_cols` columns, each stored [k][tile_cols] and padded with zeros.
#pragma once

#include "core/cpu/gemm.h"
#include "core/cpu/isa.h"

namespace tilegrad {

struct GemmGeometry {
  int tile_rows, tile_cols;
  int small_rows;  // of a tile of the products without packing
  int lanes;
  int depth_block;     // k per pass
  int one_tile_depth;  // the same where all rows make one tile
  int row_block;       // rows of A per task: its panels stay in L2
};

// Columns of the next panel, `left` columns before the end: a tile of one vector is bound by its loads, so that three
// vectors and one become two and two.
static inline int64_t panel_cols(int64_t left, int tile_cols, int lanes) {
  if (tile_cols == 3 * lanes && left > tile_cols && left <= 4 * lanes) return 2 * lanes;
  return left < tile_cols ? left : tile_cols;
}

// Packs one panel: element (k, w) of `width` x `depth` goes to out[k * pitch + w], zeros fill up to
// `pitch`. `out` holds depth * pitch elements.
template <class T, class S = T>
struct PackPanel {
  T* out;
  int pitch, width;
  int64_t depth;
  const S* in;
  int64_t width_stride, depth_stride;
};

// One block of k. Operands are packed or rows where they lie.
template <class T>
struct GemmPanels {
  int64_t m, n, k;
  int panel_rows;  // rows of every A panel but the last
  const T*
      a;  // packed (a_row = a_col = 0): panel p at p * panel_rows * k; else rows or columns, the other stride 0
  int64_t a_row, a_col;
  const T* b;     // packed (b_row = 0): panel p at p * tile_cols * k; else rows, contiguous along n
  int64_t b_row;  // with packed A, B is packed too
  T* panel;  // for rows of B: room for tile_cols * k, into which each panel is packed as it is first used
  T* c;  // (m, n)
  int64_t c_row;
  bool accumulate;
  const T* bias_row;  // or null
  const T* bias_col;  // or null
  const T* residual;  // (m, n) with the strides of C, or null
  Activation activation;
  const T* next;  // what the next call will find in b, or null
};

TILEGRAD_SIMD_DECLARE(GemmGeometry, gemm_geometry_f32, ())
TILEGRAD_SIMD_DECLARE(GemmGeometry, gemm_geometry_f64, ())
TILEGRAD_SIMD_DECLARE(void, pack_panel_f32, (const PackPanel<float>& p))
TILEGRAD_SIMD_DECLARE(void, pack_panel_f64, (const PackPanel<double>& p))
TILEGRAD_SIMD_DECLARE(void, pack_panel_bf16, (const PackPanel<float, bf16>& p))
TILEGRAD_SIMD_DECLARE(void, pack_panel_f16, (const PackPanel<float, f16>& p))
TILEGRAD_SIMD_DECLARE(void, gemm_panels_f32, (const GemmPanels<float>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_panels_f64, (const GemmPanels<double>& g))
// No packing; needs b_col == 1, and a_row or a_col == 1.
TILEGRAD_SIMD_DECLARE(void, gemm_small_f32, (const Gemm<float>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_small_f64, (const Gemm<double>& g))
// B is read once. stream: at most kFewRows rows, b_col == 1. dot: at most kDotRows rows, b_row == 1 and a_col == 1.
TILEGRAD_SIMD_DECLARE(void, gemm_rows_stream_f32, (const Gemm<float>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_stream_f64, (const Gemm<double>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_stream_bf16, (const Gemm<float, float, bf16>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_stream_f16, (const Gemm<float, float, f16>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_dot_f32, (const Gemm<float>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_dot_f64, (const Gemm<double>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_dot_bf16, (const Gemm<float, float, bf16>& g))
TILEGRAD_SIMD_DECLARE(void, gemm_rows_dot_f16, (const Gemm<float, float, f16>& g))

constexpr int64_t kFewRows = 4, kDotRows = 8;

}  // namespace tilegrad
