// What Winograd's weight gradient asks of its SIMD file. xi counts the 36 products of a tile; channels and filters
// lie along the lanes.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "ops/conv2d/conv2d_winograd_simd.h"

namespace tilegrad {

struct WinogradWeightGeometry {
  int lanes;
  int64_t channels, filters;  // of a block, multiples of lanes: its sums and its tiles stay in L2
  int64_t tiles;              // transformed at once
};

// sums (filters, vectors * lanes) += over tiles: y (tiles, y_pitch) transposed times x (tiles, vectors * lanes).
struct WinogradWeightProduct {
  int64_t tiles, filters, vectors;
  const float* y;
  int64_t y_pitch;
  const float* x;
  float* sums;
  bool first;  // what sums hold is overwritten
};

// taps (9, vectors * lanes) = G^T sums G of `vectors` vectors, which lie xi_stride apart.
struct WinogradWeightOutput {
  const float* sums;
  int64_t xi_stride, vectors;
  float* taps;
};

TILEGRAD_SIMD_DECLARE(WinogradWeightGeometry, winograd_weight_geometry, ())
// A d A^T of tiles of 4 x 4.
TILEGRAD_SIMD_DECLARE(void, winograd_weight_gradients, (const WinogradTransform& w))
TILEGRAD_SIMD_DECLARE(void, winograd_weight_product, (const WinogradWeightProduct& w))
// False where a tap is not finite.
TILEGRAD_SIMD_DECLARE(bool, winograd_weight_output, (const WinogradWeightOutput& w))

}  // namespace tilegrad
