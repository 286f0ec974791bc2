// What the direct convolution of bytes asks of the SIMD file that lays images out as planes of groups (see
// int8_conv2d_direct.cc). A group is 4 bytes, or 2 bytes widened to words.
#pragma once

#include "core/cpu/isa.h"

namespace tilegrad {

// Neighbouring channels side by side: row h of plane phase (h % stride_h, w % stride_w) holds every stride_w-th column of the
// padded image from w on, and what lies outside is padding.
struct Int8Planes {
  const uint8_t* in[4];  // the channels of a group, from row 0 of the image on
  int64_t height, width;
  int64_t first, rows;  // of the padded image, from -pad_top on
  int64_t pad_left;
  int64_t stride_h, stride_w;
  int64_t used_h, used_w;  // phases below these are wanted
  int64_t row_groups;      // of a plane
  int64_t phase;           // distance of the phases' planes
  uint8_t padding, flip;   // x ^ flip is held
  uint32_t* out;           // up to a vector is written behind the last row
};

// Neighbouring taps of a row of one channel side by side, where the kernel's taps no longer overlap: the plane of row r and
// taps 4 t to 4 t + 3 holds a group for each output.
struct Int8Patches {
  const uint8_t* lines;  // padded rows, `line` apart; readable 64 bytes beyond
  int64_t line;
  int64_t kernel_rows, taps;  // taps in groups
  int64_t dilation_h, dilation_w, stride_h, stride_w;
  int64_t rows, cols;  // of the output
  int64_t plane;       // distance of the planes; up to a vector is written behind the last row
  uint32_t* out;
};

TILEGRAD_SIMD_DECLARE(void, int8_lay_out_planes, (const Int8Planes& p))
TILEGRAD_SIMD_DECLARE(void, int8_lay_out_patches, (const Int8Patches& p))

}  // namespace tilegrad
