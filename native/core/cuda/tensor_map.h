// Tensor maps of TMA: tensors of which boxes, and images of which pixels, are copied to shared memory in the 128-byte
// swizzle. Throw ERR_CUDA where the driver refuses: base and rows must start on 16 bytes.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace tilegrad::cuda {

/// Rows of `inner` elements, `row_stride` apart; a box is 128 bytes of `box_outer` rows, zeros outside.
CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                         int64_t row_stride, int element_bytes, int box_outer);

/// The same without a swizzle: a box is `box_inner` elements, of a multiple of 16 bytes, of `box_outer` rows.
CUtensorMap plain_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                      int64_t row_stride, int element_bytes, int box_inner, int box_outer);

/// `rank` dimensions, innermost first, the others `stride` elements apart; a box is 128 bytes of `box` of them.
CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int rank, const int64_t* size,
                         const int64_t* stride, int element_bytes, const int* box);

// Images (n, height, width, channels) under a window that stands at `rows` x `columns` places, `lower` being the first.
struct PixelWindow {
  int64_t n;
  int height, width, channels;
  int rows, columns;
  int lower_h, lower_w, stride_h, stride_w;
  int far_h, far_w;  // the farthest tap's distance from the window's corner
};

/// Whether a tensor map can describe the window: corners of 8 bits, steps of at most 8.
bool window_fits(const PixelWindow& window);

/// A map of which a copy takes 128 bytes of channels of `pixels` places of the window, moved by a tap (im2col).
CUtensorMap pixel_map(CUtensorMapDataType type, const void* base, const PixelWindow& window,
                      int element_bytes, int pixels);

}  // namespace tilegrad::cuda
