// Tensor maps of TMA: matrices of which boxes are copied to shared memory in the 128-byte swizzle.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace tilegrad::cuda {

/// Rows of `inner` elements, `row_stride` apart; a box is 128 bytes of `box_outer` rows, zeros outside. Throws ERR_CUDA
/// where the driver refuses it: base and rows must start on 16 bytes.
CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                         int64_t row_stride, int element_bytes, int box_outer);

/// The same without a swizzle: a box is `box_inner` elements, of a multiple of 16 bytes, of `box_outer` rows.
CUtensorMap plain_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                      int64_t row_stride, int element_bytes, int box_inner, int box_outer);

}  // namespace tilegrad::cuda
