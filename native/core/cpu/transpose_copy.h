// Transposes one block of a strided copy: both sides are read and written by whole vectors.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

/// What transpose_copy moves, in elements of `size` (1, 2, 4 or 8) bytes: to[r * to_stride + c] = from[c * from_stride + r].
struct TransposeBlock {
  const void* from;
  void* to;
  int64_t from_stride, to_stride;
  int64_t rows, cols;
  int64_t size;
};

TILEGRAD_SIMD_DECLARE(void, transpose_copy, (const TransposeBlock& block))

}  // namespace tilegrad
