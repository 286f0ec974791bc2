// The pixels of a tile of patches, cut into vectors and these where rows of the image end.
#pragma once

#include <algorithm>

#include "ops/conv2d/conv2d_patches_simd.h"

namespace tilegrad {

// Pixels image by image and row by row: how many there are, and how far apart images and rows lie.
struct PixelRows {
  int64_t of_image, of_row;
  int64_t image, row;
};

struct PatchSegments {
  static constexpr int kMostPixels = 64;
  PatchSegment segments[kMostPixels];
  int first[kMostPixels + 1];  // of each vector
  int vectors = 0;

  // `count` pixels from `pixel` on.
  PatchSegments(const PixelRows& rows, int64_t pixel, int64_t count, int64_t lanes) {
    int cut = 0;
    for (int64_t begin = 0; begin < count; begin += lanes) {
      first[vectors++] = cut;
      const int64_t end = std::min(begin + lanes, count);
      for (int64_t j = begin; j < end;) {
        const int64_t in_image = (pixel + j) % rows.of_image, col = in_image % rows.of_row;
        const int64_t run = std::min(end - j, rows.of_row - col);
        const int64_t at =
            (pixel + j) / rows.of_image * rows.image + in_image / rows.of_row * rows.row + col;
        segments[cut++] = {at - (j - begin), static_cast<int32_t>(j - begin),
                           static_cast<int32_t>(j - begin + run)};
        j += run;
      }
    }
    first[vectors] = cut;
  }
};

}  // namespace tilegrad
