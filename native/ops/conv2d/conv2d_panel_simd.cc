// Direct convolution, register tiles: MR output channels by NV vectors of output columns stay in
// registers over all taps; per tap MR weights are broadcast and NV vectors loaded from the image, which
// is read where it lies: no patch is ever copied.
#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// MR * NV accumulators, NV vectors and one weight must fit in 32 (or 16) registers.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kPanelRows = 14;
constexpr bool kMaskedStores = true;
constexpr int max_vectors(int rows) { return rows <= 6 ? 4 : rows <= 9 ? 3 : 2; }
#elif defined(TILEGRAD_ISA_NEON)
constexpr bool kMaskedStores = false;
constexpr int kPanelRows = 8;
constexpr int max_vectors(int rows) { return rows <= 6 ? 4 : 3; }
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kPanelRows = 6;
constexpr bool kMaskedStores = true;
constexpr int max_vectors(int rows) { return rows <= 2 ? 4 : rows <= 4 ? 3 : 2; }
#else
constexpr int kPanelRows = 4;
constexpr bool kMaskedStores = false;
constexpr int max_vectors(int rows) { return rows <= 2 ? 4 : rows <= 3 ? 3 : 2; }
#endif

template <class T, int MR, int NV>
TG_SIMD void finish(const ConvPanel<T>& c, int64_t first, Vec<T> (&acc)[MR][NV]) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      if (c.bias != nullptr) acc[i][v] += broadcast<T>(c.bias[i]);
      if (c.relu) acc[i][v] = relu<T>(acc[i][v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    if (c.segments == nullptr) {
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        store<T>(c.out + i * c.out_row + c.out_base[first + v], acc[i][v]);
      }
      continue;
    }
    for (int64_t s = c.first_segment[first + v]; s < c.first_segment[first + v + 1]; ++s) {
      const ConvSegment segment = c.segments[s];
      if (segment.end - segment.begin == kLanes<T>) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; ++i) store<T>(c.out + i * c.out_row + segment.out, acc[i][v]);
        continue;
      }
      const Window<T> lanes = window<T>(segment.begin, segment.end);
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) store<T>(c.out + i * c.out_row + segment.out, acc[i][v], lanes);
    }
  }
}

template <class T, int MR, int NV>
TG_SIMD void tile(const ConvPanel<T>& c, int64_t first) {
  const T* image[NV];
  Vec<T> acc[MR][NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    image[v] = c.image + c.image_base[first + v];
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) acc[i][v] = Vec<T>{};
  }
  const T* weights = c.weights;
#pragma GCC unroll 2
  for (int64_t d = 0; d < c.depth; ++d) {
    const int64_t offset = c.offsets[d];
    Vec<T> x[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      x[v] = load<T>(image[v] + offset);
      keep(x[v]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const Vec<T> w = broadcast<T>(weights[i]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += w * x[v];
    }
    weights += MR;
  }
  finish<T, MR, NV>(c, first, acc);
}

template <class T, int MR>
__attribute__((noinline)) void panel_rows(const ConvPanel<T>& c) {
  constexpr int NV = max_vectors(MR);
  int64_t v = 0;
  for (; v + NV <= c.vectors; v += NV) tile<T, MR, NV>(c, v);
  if constexpr (NV > 3) {
    if (v + 3 <= c.vectors) tile<T, MR, 3>(c, v), v += 3;
  }
  if constexpr (NV > 2) {
    if (v + 2 <= c.vectors) tile<T, MR, 2>(c, v), v += 2;
  }
  if (v < c.vectors) tile<T, MR, 1>(c, v);
}

template <class T, int MR = kPanelRows>
TG_SIMD void panel(const ConvPanel<T>& c) {
  if (c.rows == MR) return panel_rows<T, MR>(c);
  if constexpr (MR > 1) panel<T, MR - 1>(c);
}

}  // namespace

ConvGeometry conv_geometry_f32() { return {kPanelRows, kLanes<float>, kMaskedStores}; }
ConvGeometry conv_geometry_f64() { return {kPanelRows, kLanes<double>, kMaskedStores}; }
void conv_panel_f32(const ConvPanel<float>& c) { panel(c); }
void conv_panel_f64(const ConvPanel<double>& c) { panel(c); }

}  // namespace tilegrad::TILEGRAD_ISA
