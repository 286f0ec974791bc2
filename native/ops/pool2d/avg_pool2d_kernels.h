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

  // One output that is the plane's mean.
  bool is_global() const { return divisor == 0 && is_whole(rows, h) && is_whole(cols, w); }

 private:
  static bool is_whole(const PoolAxis& axis, int64_t size) {
    return axis.count == 1 && axis.cells->begin == 0 && axis.cells->end == size &&
           axis.cells->size == size;
  }
};

// Rows [p0, p1) of one output plane; x is the input plane, `work` has w elements.
TILEGRAD_SIMD_DECLARE(void, avg_pool_rows_f32,
                      (const AvgPool& pool, int64_t p0, int64_t p1, const float* x, float* y,
                       float* work))
TILEGRAD_SIMD_DECLARE(void, avg_pool_rows_f64,
                      (const AvgPool& pool, int64_t p0, int64_t p1, const double* x, double* y,
                       double* work))
// The mean of each of `planes` planes of n elements, one behind the other.
TILEGRAD_SIMD_DECLARE(void, plane_means_f32, (const float* x, int64_t n, int64_t planes, float* y))
TILEGRAD_SIMD_DECLARE(void, plane_means_f64,
                      (const double* x, int64_t n, int64_t planes, double* y))
// A whole plane of the input's gradient; `work` has w + cols.count elements.
TILEGRAD_SIMD_DECLARE(void, avg_unpool_f32,
                      (const AvgPool& pool, const float* dy, float* dx, float* work))
TILEGRAD_SIMD_DECLARE(void, avg_unpool_f64,
                      (const AvgPool& pool, const double* dy, double* dx, double* work))

}  // namespace tilegrad
