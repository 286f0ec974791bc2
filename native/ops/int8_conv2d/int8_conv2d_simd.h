// What the direct convolution of bytes asks of its SIMD files. A group is 32 bits: 4 bytes where one instruction multiplies
// them exactly (VNNI), else 2 words.
#pragma once

#include "core/cpu/isa.h"

namespace tilegrad {

struct Int8DirectGeometry {
  int rows, cols;  // of a register tile: output channels, pixels
  int group;       // values per group
};

struct Int8DirectTile {
  const uint32_t* weight;  // [steps][rows]
  const int64_t* offsets;  // of the steps, in groups
  int64_t steps;           // at least 1
  const uint32_t* x;       // groups of the first pixel
  int rows;                // up to those of the geometry
  int32_t* c;              // (rows, cols of the geometry)
  int64_t c_row;
};

// Of each 2 x 2 of the sums of one channel, rows of which lie `pitch` apart, the greatest stays, or the least where the scale
// that follows is negative: rows of `cols` without gaps, in place.
struct Int8DirectRows {
  int32_t* c;
  int64_t pitch;
  int64_t rows, cols;  // of the result
  bool least;
};

TILEGRAD_SIMD_DECLARE(Int8DirectGeometry, int8_direct_geometry, ())
// c = sum over steps of weight[step][row] . x[offsets[step] + col].
TILEGRAD_SIMD_DECLARE(void, int8_direct_tile, (const Int8DirectTile& t))
TILEGRAD_SIMD_DECLARE(void, int8_direct_rows, (const Int8DirectRows& r))
// out[i] = the group of in[0][i], in[1][i], ...
TILEGRAD_SIMD_DECLARE(void, int8_direct_groups,
                      (const uint8_t* const* in, int64_t n, uint32_t* out))

}  // namespace tilegrad
