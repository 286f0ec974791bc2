// Where an element lies in a stack of images.
#pragma once

#include <cstdint>

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

// Image, row and column of a flat index. 32-bit division where it can be used, it is several times cheaper.
struct Pixel {
  int64_t image;
  int row, column;
  __device__ Pixel(int64_t index, int rows, int columns) {
    const int64_t area = int64_t{rows} * columns;
    int64_t rest;
    if (index <= 0x7fffffff && area <= 0x7fffffff) {
      image = static_cast<uint32_t>(index) / static_cast<uint32_t>(area);
      rest =
          static_cast<uint32_t>(index) - static_cast<uint32_t>(image) * static_cast<uint32_t>(area);
    } else {
      image = index / area;
      rest = index - image * area;
    }
    row = static_cast<int>(rest / columns);
    column = static_cast<int>(rest - int64_t{row} * columns);
  }
};

}  // namespace tilegrad::cuda
