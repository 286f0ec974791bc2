// What the Winograd convolution asks of its SIMD file. xi counts the 36 products of a tile; "blocks" are
// of `lanes` channels or filters, which lie along the lanes.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

constexpr int64_t kWinogradOut = 4;  // rows and columns of output of a tile
constexpr int64_t kWinogradIn = 6;   // and of input: those of neighbouring tiles overlap by 2
constexpr int64_t kWinogradXi = 36;  // products per tile, channel and filter

struct WinogradGeometry {
  int lanes, tile_rows;
  int64_t cache_bytes;  // of transformed tiles that stay in L2
};

// u[xi * xi_stride + c * pitch + lane] = (G g G^T)[xi] of the 3 x 3 kernels g = taps (channels, 9, lanes).
struct WinogradWeights {
  const float* taps;
  int64_t channels;
  bool flipped;  // the kernels are turned by 180 degrees first
  float* u;
  int64_t xi_stride, pitch;
};

// Tiles of up to `lanes` planes of one image, 4 apart: out[xi * xi_stride + tile * tile_stride + lane].
struct WinogradTransform {
  const float* in;
  int64_t plane, in_h, in_w;
  int channels;                  // up to lanes
  int64_t first_row, first_col;  // of the first tile; zeros lie outside of the image
  int64_t tile_rows, tile_cols;
  float* band;  // room for (6, 4 tile_cols + 2, lanes)
  float* out;
  int64_t tile_stride, xi_stride;
};

// m (vectors, tiles, 36, lanes) at one xi = sum over channels of v (blocks, tiles, 36, lanes) at xi times
// u (channels, vectors * lanes). v and m point to xi already.
struct WinogradProduct {
  int64_t tiles, channels;
  const float* v;
  int64_t v_block;  // elements between blocks of channels
  int vectors;      // 1 or 2
  const float* u;
  float* m;
  int64_t m_block;
  bool accumulate;  // adds to m
};

// The output of tiles m (tile_rows * tile_cols, 36, lanes) of one image and one block of filters:
// activation(A^T m A + bias + residual).
struct WinogradOutput {
  const float* m;
  int64_t tile_rows, tile_cols;
  int64_t height, width;  // of the output that these tiles cover
  int filters;            // in the block: up to lanes
  const float* bias;      // (filters), or null
  const float* residual;  // lies as out does, or null
  ConvActivation activation;
  float* band;  // room for (height * width, lanes)
  float* out;
  int64_t out_plane, out_row;
};

TILEGRAD_SIMD_DECLARE(WinogradGeometry, winograd_geometry, ())
TILEGRAD_SIMD_DECLARE(void, winograd_weights, (const WinogradWeights& w))
// B^T d B of tiles of 6 x 6, which overlap by 2.
TILEGRAD_SIMD_DECLARE(void, winograd_input, (const WinogradTransform& w))
TILEGRAD_SIMD_DECLARE(void, winograd_product, (const WinogradProduct& w))
// False where an output is not finite before bias and residual.
TILEGRAD_SIMD_DECLARE(bool, winograd_output, (const WinogradOutput& w))

}  // namespace tilegrad
