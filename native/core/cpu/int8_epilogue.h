// What follows the integer sums: zero points, scales, bias, ReLU, and the way back to bytes.
#pragma once

#include "core/cpu/int8_gemm.h"
#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// A value per row (row = 1, col = 0), per column (0, 1), for all (0, 0), or none (data null).
template <class T>
struct PerAxis {
  const T* data = nullptr;
  int64_t row = 0, col = 0;
};

// acc = sum (a - a_zero) (b - b_zero) + bias_i32
// s32 output: acc. Others: y = acc * scale + bias_f32, y = max(y, 0) with relu; f32 output: y; bytes:
// clamp(round_half_even(y) + out_zero, low, high), where relu is part of `low`.
struct Int8Epilogue {
  int64_t k = 0;
  PerAxis<int32_t> a_zero, b_zero;  // a_zero not per column, b_zero not per row
  bool a_signed = false, b_signed = false;
  PerAxis<int32_t> bias_i32;
  PerAxis<float> bias_f32;
  PerAxis<float> scale;
  bool relu = false;
  DType dtype = DType::i32;  // i32, f32, u8, i8
  void* out = nullptr;       // (m, n)
  int64_t out_row = 0;
  int32_t out_zero = 0, low = 0, high = 0;
};

TILEGRAD_SIMD_DECLARE(void, int8_epilogue, (const Int8Epilogue& e, const Int8Tile& tile))

}  // namespace tilegrad
