// From pixels of one vector of filters to rows of planes. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"
#include "ops/conv2d/conv2d_activation.h"

namespace tilegrad::TILEGRAD_ISA {

struct PixelRows {
  int filters;            // up to lanes
  const float* residual;  // lies as out does, or null
  ConvActivation activation;
  float* out;
  int64_t out_plane;
};

// `count` pixels (count, lanes) go to elements `at` and on of each filter's plane.
TG_SIMD void write_pixels(const PixelRows& rows, const float* pixels, int64_t count, int64_t at) {
  constexpr int W = kLanes<float>;
  using V = Vec<float>;
  for (int64_t j = 0; j < count; j += W) {
    const int left = static_cast<int>(count - j < W ? count - j : W);
    V block[W];
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) block[i] = i < left ? load<float>(pixels + (j + i) * W) : V{};
    transpose<float>(block);
#pragma GCC unroll 16
    for (int k = 0; k < W; ++k) {
      if (k >= rows.filters) break;
      const int64_t place = k * rows.out_plane + at + j;
      V sum = block[k];
      if (rows.residual != nullptr) sum += load_partial<float>(rows.residual + place, left);
      store_partial<float>(rows.out + place, activate<float>(sum, rows.activation), left);
    }
  }
}

// All rows of `height` x `width` pixels; out_row elements lie between rows of a plane.
TG_SIMD void write_pixel_rows(const PixelRows& rows, const float* pixels, int64_t height,
                              int64_t width, int64_t out_row) {
  if (out_row == width) return write_pixels(rows, pixels, height * width, 0);
  for (int64_t i = 0; i < height; ++i) {
    write_pixels(rows, pixels + i * width * kLanes<float>, width, i * out_row);
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
