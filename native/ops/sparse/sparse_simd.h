// The inner loops of products with compressed rows, for each ISA. Columns beyond k are read as the last one and reported.
#pragma once

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

inline constexpr int kSparseRows = 16;  // of W that share one task of sparse_panel

struct SparseRows {
  const int32_t* row_start;  // of the first row of W here
  const int32_t* column;
  const void* value;
  const void* bias;  // of the first row, or null
  int64_t rows;      // of W
  int64_t k;         // at least 1
};

// y[n] = x . W[n] + bias[n]; the answer is false if a column lies beyond k.
TILEGRAD_SIMD_DECLARE(bool, sparse_dot, (DType dtype, const SparseRows& w, const void* x, void* y))
// Columns of a panel for so many rows of x: of x^T, kept as (k, columns).
TILEGRAD_SIMD_DECLARE(int, sparse_columns, (DType dtype, int64_t rows))
// y (rows, columns) = W x^T + bias, for up to kSparseRows rows.
TILEGRAD_SIMD_DECLARE(bool, sparse_panel,
                      (DType dtype, const SparseRows& w, const void* x, int columns, void* y))

struct SparseTranspose {
  const void* in;  // (rows, columns), rows in_row elements apart
  int64_t rows, columns, in_row;
  void* out;  // (columns, width), rows out_row apart; zeros from `rows` to `width`
  int64_t width, out_row;
};
TILEGRAD_SIMD_DECLARE(void, sparse_transpose, (DType dtype, const SparseTranspose& t))

}  // namespace tilegrad
