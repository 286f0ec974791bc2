// The CPU's pooling kernels over raw pointers.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

// The windows of max_pool2d and avg_pool2d. Window (p, q) has its first row at p * stride_h - pad_top
// and its first column at q * stride_w - pad_left; rows and columns outside of the image are padding.
struct PoolShape {
  int64_t planes = 0;  // n * c
  int64_t h = 0, w = 0;
  int64_t r = 0, s = 0;  // the window's taps
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t p = 0, q = 0;  // the output's size
  bool is_2x2 = false;   // 2 x 2 at stride 2, undilated, every window inside the unpadded image
  int64_t taps() const { return r * s; }
};

// Output cells [first, last) whose window position `cell * stride + shift` is in [0, size).
struct CellRange {
  int64_t first, last;
};
inline CellRange cells_inside(int64_t shift, int64_t stride, int64_t size, int64_t cells) {
  int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  int64_t last = shift >= size ? 0 : (size - 1 - shift) / stride + 1;
  if (last > cells) last = cells;
  return {first < last ? first : last, last};
}

// Elements of workspace that max_pool_rows needs to copy padded rows into; 0 where it goes without.
int64_t max_pool_workspace(const PoolShape& s);

// Rows [p0, p1) of one output plane; x is the input plane. taps may be null. `work` has max_pool_workspace(s) elements.
TILEGRAD_SIMD_DECLARE(void, max_pool_rows_f32,
                      (const PoolShape& s, int64_t p0, int64_t p1, const float* x, float* y,
                       uint8_t* taps, float* work, int64_t work_size))
TILEGRAD_SIMD_DECLARE(void, max_pool_rows_f64,
                      (const PoolShape& s, int64_t p0, int64_t p1, const double* x, double* y,
                       uint8_t* taps, double* work, int64_t work_size))

// Elements of the rows that max_pool_values works on at a time: they stay in the first-level cache.
constexpr int64_t kMaxPoolBlock = 6144;
// The length of one of them with its padding.
inline int64_t max_pool_values_pitch(const PoolShape& s) {
  const int64_t reach = (s.q - 1) * s.stride_w + (s.s - 1) * s.dilation_w + 1;
  return reach > s.pad_left + s.w ? reach : s.pad_left + s.w;
}
// Elements of workspace that max_pool_values needs; 0 where max_pool_rows is to be taken.
int64_t max_pool_values_workspace(const PoolShape& s);

// Output rows [begin, end), counted over all planes, without taps; false, and y without meaning, where it met NaN.
TILEGRAD_SIMD_DECLARE(bool, max_pool_values_f32,
                      (const PoolShape& s, int64_t begin, int64_t end, const float* x, float* y,
                       float* work))
TILEGRAD_SIMD_DECLARE(bool, max_pool_values_f64,
                      (const PoolShape& s, int64_t begin, int64_t end, const double* x, double* y,
                       double* work))
// A whole plane of windows with is_2x2; q >= 4.
TILEGRAD_SIMD_DECLARE(void, max_unpool_2x2_f32,
                      (const PoolShape& s, const float* dy, const uint8_t* taps, float* dx))
TILEGRAD_SIMD_DECLARE(void, max_unpool_2x2_f64,
                      (const PoolShape& s, const double* dy, const uint8_t* taps, double* dx))

}  // namespace tilegrad
