// What the convolution with filters along the lanes asks of its SIMD file.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

struct FiltersGeometry {
  int lanes;
  int vectors;  // of filters in a panel
  int pixels;   // of a tile
};

// One panel of filters at `rows` rows of `cols` output positions:
//   out[v][p * cols + q][lane] = bias + sum over d of weights[d][v * lanes + lane]
//                                * image[p * pitch + q + offsets[d]]
struct FiltersPanel {
  int64_t depth;
  int vectors;             // 1 or those of the geometry
  const float* weights;    // (depth, vectors * lanes)
  const int64_t* offsets;  // (depth)
  const float* image;
  int64_t rows, cols, pitch;
  const float* bias;         // (filters), or null
  int filters;               // that exist in the panel
  float* out;                // (vectors, rows * cols, lanes)
  const float* weights_end;  // of the panels that follow: they are brought into L2 meanwhile
};

// Pixels of `lanes` filters become rows of planes, with residual and activation.
struct FiltersPixels {
  const float* pixels;  // (height * width, lanes)
  int64_t height, width;
  int filters;            // up to lanes
  const float* residual;  // lies as out does, or null
  ConvActivation activation;
  float* out;
  int64_t out_plane, out_row;
};

TILEGRAD_SIMD_DECLARE(FiltersGeometry, filters_geometry, ())
TILEGRAD_SIMD_DECLARE(void, filters_panel, (const FiltersPanel& f))
TILEGRAD_SIMD_DECLARE(void, filters_pixels, (const FiltersPixels& f))

}  // namespace tilegrad
