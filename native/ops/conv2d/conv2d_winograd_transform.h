// The points and transforms that Winograd's forward pass and weight gradient share. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"
#include "ops/conv2d/conv2d_winograd_simd.h"

namespace tilegrad::TILEGRAD_ISA {

constexpr int W = kLanes<float>;
using V = Vec<float>;

constexpr float kA = 0.75f, kB = 1.5f;  // the points
constexpr float kA2 = kA * kA, kB2 = kB * kB;
// One over the product of a point's distances from the others.
constexpr float kScaleZero = static_cast<float>(1 / (double{kA2} * kB2));
constexpr float kScaleA = static_cast<float>(1 / (2 * double{kA2} * (double{kA2} - kB2)));
constexpr float kScaleB = static_cast<float>(1 / (2 * double{kB2} * (double{kB2} - kA2)));

// B^T d: rows are the polynomials that vanish at all points but one.
TG_SIMD void transform_input(const V (&d)[6], V (&v)[6]) {
  const V even_a = d[4] - kB2 * d[2], odd_a = d[3] - kB2 * d[1];
  const V even_b = d[4] - kA2 * d[2], odd_b = d[3] - kA2 * d[1];
  v[0] = d[4] + (kA2 * kB2) * d[0] - (kA2 + kB2) * d[2];
  v[1] = even_a + kA * odd_a;
  v[2] = even_a - kA * odd_a;
  v[3] = even_b + kB * odd_b;
  v[4] = even_b - kB * odd_b;
  v[5] = d[5] + (kA2 * kB2) * d[1] - (kA2 + kB2) * d[3];
}

// Up to W planes, of which columns from first_col on are read.
struct WinogradPlanes {
  const float* in;
  int64_t plane, in_h, in_w;
  int channels;
  int64_t first_col;  // may lie before the image
};

// The rows of `planes` planes as pixels of W channels. `cols` pixels from column `first` on; zeros outside.
TG_SIMD void pixels_of_row(const WinogradPlanes& w, int64_t row, int64_t cols, float* out) {
  const int64_t begin = w.first_col < 0 ? -w.first_col : 0;
  int64_t end = w.in_w - w.first_col < cols ? w.in_w - w.first_col : cols;
  if (row < 0 || row >= w.in_h || end < begin) end = begin < cols ? begin : cols;
  for (int64_t j = 0; j < begin && j < cols; ++j) store<float>(out + j * W, V{});
  if (row >= 0 && row < w.in_h) {
    const float* in = w.in + row * w.in_w + w.first_col;
    for (int64_t j = begin; j < end; j += W) {
      const int count = static_cast<int>(end - j < W ? end - j : W);
      V pixels[W];
#pragma GCC unroll 16
      for (int c = 0; c < W; ++c) {
        pixels[c] = c < w.channels ? load_partial<float>(in + c * w.plane + j, count) : V{};
      }
      transpose<float>(pixels);
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) {
        if (i < count) store<float>(out + (j + i) * W, pixels[i]);
      }
    }
  }
  for (int64_t j = end; j < cols; ++j) store<float>(out + j * W, V{});
}

template <int N, class Transform>
TG_SIMD void transform_tile(const float* const (&rows)[N], int64_t col, float* out,
                            int64_t xi_stride, Transform transform) {
  V half[6][N];  // (column of xi, row of the tile)
#pragma GCC unroll 6
  for (int i = 0; i < N; ++i) {
    V d[N], t[6];
#pragma GCC unroll 6
    for (int j = 0; j < N; ++j) d[j] = load<float>(rows[i] + (col + j) * W);
    transform(d, t);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) half[j][i] = t[j];
  }
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    V t[6];
    transform(half[j], t);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store<float>(out + (i * 6 + j) * xi_stride, t[i]);
  }
}

// Tiles of N x N, 4 apart. The band holds the N rows of one row of tiles, row i in slot i % N, and stays in L1.
template <int N, class Transform>
TG_SIMD void transform_tiles(const WinogradTransform& w, Transform transform) {
  const int64_t cols = 4 * w.tile_cols + N - 4;
  const WinogradPlanes planes = {w.in, w.plane, w.in_h, w.in_w, w.channels, w.first_col};
  float* out = w.out;
  for (int64_t i = 0; i < w.tile_rows; ++i) {
    const float* rows[N];
    for (int r = 0; r < N; ++r) {
      float* row = w.band + (4 * i + r) % N * cols * W;
      if (i == 0 || r >= N - 4) pixels_of_row(planes, w.first_row + 4 * i + r, cols, row);
      rows[r] = row;
    }
    for (int64_t j = 0; j < w.tile_cols; ++j, out += w.tile_stride) {
      transform_tile<N>(rows, 4 * j, out, w.xi_stride, transform);
    }
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
