// Winograd's F(4x4, 3x3) with the points 0, +-3/4, +-3/2 and infinity: their products are exact in f32 and
// their error is a quarter of that of the usual +-1, +-2. Channels or filters lie along the lanes, so the
// transforms are whole-vector sums; images are transposed to channels last on the way in and back on the way
// out. The product is a register tile of MR tiles by up to 2 vectors of filters.
#include "ops/conv2d/conv2d_winograd_simd.h"

#include "core/ceil_div.h"
#include "ops/conv2d/conv2d_pixels.h"
#include "ops/conv2d/conv2d_winograd_transform.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// MR * 2 accumulators, 2 vectors of u and one broadcast must fit in 32 (or 16) registers.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kTileRows = 14;
constexpr int64_t kCacheBytes = 1 << 20;
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kTileRows = 8;
constexpr int64_t kCacheBytes = 256 << 10;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kTileRows = 6;
constexpr int64_t kCacheBytes = 384 << 10;
#else
constexpr int kTileRows = 4;
constexpr int64_t kCacheBytes = 256 << 10;
#endif

constexpr int64_t kTileStride = kWinogradXi * W;

// G g: values of the kernel's polynomial at the points, over the product of the point's distances.
TG_SIMD void transform_kernel(V g0, V g1, V g2, V (&u)[6]) {
  const V even_a = g0 + kA2 * g2, odd_a = kA * g1, even_b = g0 + kB2 * g2, odd_b = kB * g1;
  u[0] = kScaleZero * g0;
  u[1] = kScaleA * (even_a + odd_a);
  u[2] = kScaleA * (even_a - odd_a);
  u[3] = kScaleB * (even_b + odd_b);
  u[4] = kScaleB * (even_b - odd_b);
  u[5] = g2;
}

// A^T m: row i weighs the products by the points' i-th powers.
TG_SIMD void transform_output(const V (&m)[6], V (&y)[4]) {
  const V sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const V sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = kA * difference_a + kB * difference_b;
  y[2] = kA2 * sum_a + kB2 * sum_b;
  y[3] = m[5] + (kA2 * kA) * difference_a + (kB2 * kB) * difference_b;
}

TG_SIMD void output_tile(const float* m, V (&y)[4][4]) {
  V half[6][4];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    V row[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) row[j] = load<float>(m + (i * 6 + j) * W);
    transform_output(row, half[i]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const V column[6] = {half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]};
    V t[4];
    transform_output(column, t);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) y[i][j] = t[i];
  }
}

// MR tiles by NV vectors of filters.
template <int MR, int NV>
__attribute__((noinline)) void product_tile(const WinogradProduct& w, const float* v, float* m) {
  V acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int k = 0; k < NV; ++k) acc[i][k] = V{};
  }
  const float* u = w.u;
  for (int64_t first = 0; first < w.channels; first += W, v += w.v_block) {
    const int64_t count = w.channels - first < W ? w.channels - first : W;
#pragma GCC unroll 2
    for (int64_t c = 0; c < count; ++c) {
      V weights[NV];
#pragma GCC unroll 2
      for (int k = 0; k < NV; ++k) weights[k] = load<float>(u + k * W);
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        const V value = broadcast<float>(v[i * kTileStride + c]);
#pragma GCC unroll 2
        for (int k = 0; k < NV; ++k) acc[i][k] += value * weights[k];
      }
      u += NV * W;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int k = 0; k < NV; ++k) {
      float* at = m + k * w.m_block + i * kTileStride;
      store<float>(at, w.accumulate ? acc[i][k] + load<float>(at) : acc[i][k]);
    }
  }
}

template <int NV, int MR = kTileRows>
TG_SIMD void product_rows(const WinogradProduct& w, int64_t first, int64_t rows) {
  if (rows == MR) {
    return product_tile<MR, NV>(w, w.v + first * kTileStride, w.m + first * kTileStride);
  }
  if constexpr (MR > 1) product_rows<NV, MR - 1>(w, first, rows);
}

}  // namespace

WinogradGeometry winograd_geometry() { return {W, kTileRows, kCacheBytes}; }

void winograd_weights(const WinogradWeights& w) {
  for (int64_t c = 0; c < w.channels; ++c) {
    const float* taps = w.taps + c * 9 * W;
    const auto tap = [&](int i, int j) __attribute__((always_inline)) {
      return load<float>(taps + (w.flipped ? 8 - (i * 3 + j) : i * 3 + j) * W);
    };
    V half[3][6];  // (column of the kernel, row of xi)
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) transform_kernel(tap(0, j), tap(1, j), tap(2, j), half[j]);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      V u[6];
      transform_kernel(half[0][i], half[1][i], half[2][i], u);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) store<float>(w.u + (i * 6 + j) * w.xi_stride + c * w.pitch, u[j]);
    }
  }
}

void winograd_input(const WinogradTransform& w) {
  transform_tiles<kWinogradIn>(
      w, [](const V(&d)[6], V(&v)[6]) __attribute__((always_inline)) { transform_input(d, v); });
}

void winograd_product(const WinogradProduct& w) {
  const int64_t groups = ceil_div(w.tiles, kTileRows);
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t first = w.tiles * i / groups, rows = w.tiles * (i + 1) / groups - first;
    w.vectors == 1 ? product_rows<1>(w, first, rows) : product_rows<2>(w, first, rows);
  }
}

bool winograd_output(const WinogradOutput& w) {
  const V bias = w.bias != nullptr ? load_partial<float>(w.bias, w.filters) : V{};
  V finite = {};  // 0, or NaN once an output is not finite
  const float* m = w.m;
  for (int64_t i = 0; i < w.tile_rows; ++i) {
    const int64_t row = i * kWinogradOut;
    for (int64_t j = 0; j < w.tile_cols; ++j, m += kTileStride) {
      const int64_t col = j * kWinogradOut;
      V y[4][4];
      output_tile(m, y);
#pragma GCC unroll 4
      for (int a = 0; a < 4; ++a) {
#pragma GCC unroll 4
        for (int b = 0; b < 4; ++b) {
          if (row + a >= w.height || col + b >= w.width) continue;
          finite += 0.0f * y[a][b];
          store<float>(w.band + ((row + a) * w.width + col + b) * W, y[a][b] + bias);
        }
      }
    }
  }
  write_pixel_rows({w.filters, w.residual, w.activation, w.out, w.out_plane}, w.band, w.height,
                   w.width, w.out_row);
  const V sum = broadcast<float>(sum_lanes<float>(finite));
  return sum[0] == 0;
}

}  // namespace tilegrad::TILEGRAD_ISA
