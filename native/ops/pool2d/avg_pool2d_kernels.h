// Means over rectangles of a plane: avg_pool2d and adaptive_avg_pool2d on the CPU.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

// Output cells along one side: each takes [begin, end) and counts `size` in the divisor. Both bounds never decrease.
struct PoolSpan {
  int64_t begin, end, size;
};
// Cells [first, last) are regular: begin = cell * stride + shift, end = begin + width, size = width.
struct PoolAxis {
  const PoolSpan* cells;
  int64_t count;
  int64_t first, last, stride, width, shift;
};
struct AvgPool {
  PoolAxis rows, cols;
  int64_t h, w;    // the plane
  double divisor;  // 0: the product of the two sizes
};

// Rows [p0, p1) of one output plane; x is the input plane, `work` has w elements.
TILEGRAD_SIMD_DECLARE(void, avg_pool_rows_f32,
                      (const AvgPool& pool, int64_t p0, int64_t p1, const float* x, float* y,
                       float* work))
TILEGRAD_SIMD_DECLARE(void, avg_pool_rows_f64,
                      (const AvgPool& pool, int64_t p0, int64_t p1, const double* x, double* y,
                       double* work))
// A whole plane of the input's gradient; `work` has w + cols.count elements.
TILEGRAD_SIMD_DECLARE(void, avg_unpool_f32,
                      (const AvgPool& pool, const float* dy, float* dx, float* work))
TILEGRAD_SIMD_DECLARE(void, avg_unpool_f64,
                      (const AvgPool& pool, const double* dy, double* dx, double* work))

}  // namespace tilegrad
