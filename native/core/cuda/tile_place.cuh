// The order of a product's tiles: blocks that run together share rows and columns of tiles in L2.
#pragma once

#include <cstdint>

#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

struct TilePlace {
  int64_t row, column;
};

// Tile `index` of rows x columns tiles, in groups of 8 rows.
__device__ inline TilePlace tile_place(int64_t index, int64_t rows, int64_t columns) {
  constexpr int64_t kGroup = 8;
  const int64_t group = index / (kGroup * columns), first = group * kGroup;
  const int64_t height = rows - first < kGroup ? rows - first : kGroup;
  const int64_t at = index - first * columns;
  return {first + at % height, at / height};
}

}  // namespace tilegrad::cuda
