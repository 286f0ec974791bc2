// Winograd's weight gradient, the forward pass's F(4x4, 3x3) turned round: dweight = G^T (sum over tiles of
// (A dy A^T) (B^T d B)) G, with the same points and so the same errors. The product is a register tile of MR
// filters by NV vectors of channels, summed over the tiles of a chunk and added to sums that stay in L2.
#include "ops/conv2d/conv2d_winograd_weight_simd.h"

#include "core/ceil_div.h"
#include "ops/conv2d/conv2d_winograd_transform.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// MR * NV accumulators, NV vectors of x and one broadcast must fit in 32 (or 16) registers.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kRows = 6, kVectors = 4;
constexpr WinogradWeightGeometry kGeometry = {W, 64, 64, 48};
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kRows = 6, kVectors = 4;
constexpr WinogradWeightGeometry kGeometry = {W, 32, 64, 24};
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kRows = 6, kVectors = 2;
constexpr WinogradWeightGeometry kGeometry = {W, 32, 64, 24};
#else
constexpr int kRows = 4, kVectors = 2;
constexpr WinogradWeightGeometry kGeometry = {W, 32, 64, 24};
#endif

// A y: values of the polynomial with the coefficients y at the points.
TG_SIMD void transform_gradient(const V (&y)[4], V (&v)[6]) {
  const V even_a = y[0] + kA2 * y[2], odd_a = kA * y[1] + (kA2 * kA) * y[3];
  const V even_b = y[0] + kB2 * y[2], odd_b = kB * y[1] + (kB2 * kB) * y[3];
  v[0] = y[0];
  v[1] = even_a + odd_a;
  v[2] = even_a - odd_a;
  v[3] = even_b + odd_b;
  v[4] = even_b - odd_b;
  v[5] = y[3];
}

// G^T s.
TG_SIMD void transform_sums(const V (&s)[6], V (&g)[3]) {
  const V sum_a = kScaleA * (s[1] + s[2]), difference_a = kScaleA * (s[1] - s[2]);
  const V sum_b = kScaleB * (s[3] + s[4]), difference_b = kScaleB * (s[3] - s[4]);
  g[0] = kScaleZero * s[0] + sum_a + sum_b;
  g[1] = kA * difference_a + kB * difference_b;
  g[2] = kA2 * sum_a + kB2 * sum_b + s[5];
}

// MR filters by NV vectors of channels.
template <int MR, int NV>
__attribute__((noinline)) void product_tile(const WinogradWeightProduct& w, int64_t filter,
                                            int64_t vector) {
  const int64_t pitch = w.vectors * W, y_pitch = w.y_pitch;
  const float *x = w.x + vector * W, *y = w.y + filter;
  float* sums = w.sums + filter * pitch + vector * W;
  V acc[MR][NV];
#pragma GCC unroll 8
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      __builtin_prefetch(sums + i * pitch + v * W, 1);
      acc[i][v] = V{};
    }
  }
#pragma GCC unroll 2
  for (int64_t t = 0; t < w.tiles; ++t, x += pitch, y += y_pitch) {
    V xs[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) xs[v] = load<float>(x + v * W);
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
      const V value = broadcast<float>(y[i]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += value * xs[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      float* at = sums + i * pitch + v * W;
      store<float>(at, w.first ? acc[i][v] : acc[i][v] + load<float>(at));
    }
  }
}

template <int NV, int MR = kRows>
TG_SIMD void product_rows(const WinogradWeightProduct& w, int64_t filter, int64_t rows,
                          int64_t vector) {
  if (rows == MR) return product_tile<MR, NV>(w, filter, vector);
  if constexpr (MR > 1) product_rows<NV, MR - 1>(w, filter, rows, vector);
}

template <int NV = kVectors>
TG_SIMD void product_vectors(const WinogradWeightProduct& w, int64_t filter, int64_t rows,
                             int64_t vector, int64_t vectors) {
  if (vectors == NV) return product_rows<NV>(w, filter, rows, vector);
  if constexpr (NV > 1) product_vectors<NV - 1>(w, filter, rows, vector, vectors);
}

}  // namespace

WinogradWeightGeometry winograd_weight_geometry() { return kGeometry; }

void winograd_weight_gradients(const WinogradTransform& w) {
  transform_tiles<kWinogradOut>(
      w, [](const V(&d)[4], V(&v)[6]) __attribute__((always_inline)) { transform_gradient(d, v); });
}

// Both directions are shared out evenly.
void winograd_weight_product(const WinogradWeightProduct& w) {
  const int64_t runs = ceil_div(w.vectors, kVectors);
  const int64_t groups = ceil_div(w.filters, kRows);
  for (int64_t j = 0; j < runs; ++j) {
    const int64_t vector = w.vectors * j / runs, vectors = w.vectors * (j + 1) / runs - vector;
    for (int64_t i = 0; i < groups; ++i) {
      const int64_t filter = w.filters * i / groups;
      product_vectors(w, filter, w.filters * (i + 1) / groups - filter, vector, vectors);
    }
  }
}

bool winograd_weight_output(const WinogradWeightOutput& w) {
  V finite = {};  // 0, or NaN once a tap is not finite
  for (int64_t v = 0; v < w.vectors; ++v) {
    const float* sums = w.sums + v * W;
    V half[6][3];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      V row[6];
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) row[j] = load<float>(sums + (i * 6 + j) * w.xi_stride);
      transform_sums(row, half[i]);
    }
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      const V column[6] = {half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]};
      V taps[3];
      transform_sums(column, taps);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) {
        finite += 0.0f * taps[i];
        store<float>(w.taps + ((i * 3 + j) * w.vectors + v) * W, taps[i]);
      }
    }
  }
  return sum_lanes<float>(finite) == 0;
}

}  // namespace tilegrad::TILEGRAD_ISA
