// What the depthwise convolution of bytes asks of its SIMD file.
#pragma once

#include "core/cpu/isa.h"

namespace tilegrad {

// Rows of one channel, padded: out[h] holds `width` bytes of row first + h of the image from column `left` on, x ^ flip, and
// `padding` around them.
struct Int8PaddedRows {
  const uint8_t* in;  // row 0
  int64_t height, width;
  int64_t first, rows;
  int64_t left;
  uint8_t padding, flip;
  uint8_t* out;
  int64_t line;  // a multiple of 64
};

// c = the sums of one kernel over such rows.
struct Int8Depthwise {
  const uint8_t* lines;  // readable 64 bytes beyond
  int64_t line;
  const int8_t* weight;  // (kernel_rows, kernel_cols)
  int64_t kernel_rows, kernel_cols;
  int64_t dilation_h, dilation_w, stride_h, stride_w;
  int64_t rows, cols;  // of the output
  int32_t* c;          // without gaps; up to a vector is written behind the last row
};

TILEGRAD_SIMD_DECLARE(void, int8_pad_rows, (const Int8PaddedRows& p))
TILEGRAD_SIMD_DECLARE(void, int8_depthwise, (const Int8Depthwise& d))

}  // namespace tilegrad
