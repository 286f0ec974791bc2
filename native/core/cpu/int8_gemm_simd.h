// What the blocking of the integer product asks of the SIMD files.
//
// Panels hold 32-bit groups, [group][pitch]: in the byte layout a group is 4 neighbours along k (A as u8, B as s8), in
// the word layout 2 of them widened to s16. The byte layout is exact with VNNI, which adds the four products in 32 bits;
// AVX2's VPMADDUBSW saturates the sum of a pair at 16 bits, so it is taken only where packing has shown that no pair of B
// can reach that with any A. The word layout (VPMADDWD) is exact everywhere.
#pragma once

#include "core/cpu/isa.h"

namespace tilegrad {

enum class Int8Bytes : uint8_t { never, where_pairs_fit, always };

struct Int8Geometry {
  int tile_rows, tile_cols;
  int depth_block;  // groups per pass: B comes from L1, or from L2 at a few bytes a cycle
  int row_block;    // rows of A per task: a pass of them stays in L2
  Int8Bytes bytes;
  bool in_place;  // whether rows of A in the byte layout are read where they lie
};

struct PackInt8 {
  uint32_t* out;  // [groups][pitch], zeros beyond width and depth
  int pitch, width;
  int64_t depth;  // elements along k
  const uint8_t* in;
  int64_t width_stride, depth_stride;
  bool flip;         // x ^ 0x80: between u8 and s8
  bool words;        // word layout
  bool hold_signed;  // the held values are s8 (B), else u8 (A)
  bool check;        // whether the answer of pack_int8_panel is wanted (B)
  int32_t* sums;     // (pitch), of the held values; overwritten
};

struct PackedInt8Gemm {
  int64_t m, n, groups;
  int panel_rows;   // rows of every A panel but the last
  int64_t a_panel;  // groups * rows of a whole panel: the distance of panels in `a`
  const uint32_t*
      a;  // panel p at a + p * a_panel; or, where a_row is not 0, rows that many bytes apart, k a multiple of 4
  int64_t a_row;
  int64_t b_panel;
  const uint32_t* b;
  int32_t* c;  // (m, n)
  int64_t c_row;
  bool accumulate;
  bool words;
};

TILEGRAD_SIMD_DECLARE(Int8Geometry, int8_geometry, ())
// False if `check` and two neighbours along k could saturate VPMADDUBSW.
TILEGRAD_SIMD_DECLARE(bool, pack_int8_panel, (const PackInt8& p))
TILEGRAD_SIMD_DECLARE(void, int8_gemm_packed, (const PackedInt8Gemm& g))

}  // namespace tilegrad
