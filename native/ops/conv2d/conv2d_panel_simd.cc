// Direct convolution, register tiles: MR output channels by NV vectors of output columns stay in
// registers over all taps; per tap MR weights are broadcast and NV vectors loaded from the image, which
// is read where it lies: no patch is ever copied.
#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_activation.h"
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

// Split vectors double the code, so that f64 goes without.
template <class T>
constexpr bool kSplits = kSplitVectors && sizeof(T) == 4;

template <class T, int MR, int NV>
TG_SIMD void store_segments(const ConvPanel<T>& c, int64_t first, const Vec<T> (&acc)[MR][NV]) {
  T* const base = c.out;
  const int64_t row = c.out_row;
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    const int64_t end = c.first_segment[first + v + 1];
    for (int64_t s = c.first_segment[first + v]; s < end; ++s) {
      const ConvSegment segment = c.segments[s];
      T* const out = base + segment.out;
      if (segment.end - segment.begin == kLanes<T>) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; ++i) store<T>(out + i * row, acc[i][v]);
        continue;
      }
      const Window<T> lanes = window<T>(segment.begin, segment.end);
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) store<T>(out + i * row, acc[i][v], lanes);
    }
  }
}

// Segments of one vector cover lanes of their own, so what they add does not overlap.
template <class T, int MR, int NV, bool Split>
TG_SIMD void add_residual(const ConvPanel<T>& c, int64_t first, Vec<T> (&acc)[MR][NV]) {
  const int64_t row = c.out_row;
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    if constexpr (!Split && kMaskedStores) {
      if (c.segments != nullptr) {
        const int64_t end = c.first_segment[first + v + 1];
        for (int64_t s = c.first_segment[first + v]; s < end; ++s) {
          const ConvSegment segment = c.segments[s];
          const Window<T> lanes = window<T>(segment.begin, segment.end);
#pragma GCC unroll 16
          for (int i = 0; i < MR; ++i) {
            acc[i][v] += load<T>(c.residual + segment.out + i * row, lanes);
          }
        }
        continue;
      }
    }
    const T* low = c.residual + c.out_base[first + v];
    const T* high = Split ? c.residual + c.out_high[first + v] : nullptr;
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      acc[i][v] += Split ? load_halves<T>(low + i * row, high + i * row) : load<T>(low + i * row);
    }
  }
}

template <class T, int MR, int NV, bool Split>
TG_SIMD void finish(const ConvPanel<T>& c, int64_t first, Vec<T> (&acc)[MR][NV]) {
  if (c.bias != nullptr) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += broadcast<T>(c.bias[i]);
    }
  }
  if (c.residual != nullptr) add_residual<T, MR, NV, Split>(c, first, acc);
  if (c.activation != ConvActivation::none) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] = activate<T>(acc[i][v], c.activation);
    }
  }
  if constexpr (!Split && kMaskedStores) {
    if (c.segments != nullptr) return store_segments<T, MR, NV>(c, first, acc);
  }
  constexpr int W = kLanes<T>;
  const Window<T> lower = window<T>(0, W / 2), upper = window<T>(W / 2, W);
  T *low[NV], *high[NV];
  const int64_t row = c.out_row;
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    low[v] = c.out + c.out_base[first + v];
    if constexpr (Split) high[v] = c.out + c.out_high[first + v];
  }
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      if constexpr (Split) {
        store<T>(low[v] + i * row, acc[i][v], lower);
        store<T>(high[v] + i * row - W / 2, acc[i][v], upper);
      } else {
        store<T>(low[v] + i * row, acc[i][v]);
      }
    }
  }
}

template <class T, int MR, int NV, bool Split>
TG_SIMD void tile(const ConvPanel<T>& c, int64_t first) {
  const T *image[NV], *high[NV];
  Vec<T> acc[MR][NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    image[v] = c.image + c.image_base[first + v];
    high[v] = Split ? c.image + c.image_high[first + v] : nullptr;
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
      if constexpr (Split) {
        x[v] = load_halves<T>(image[v] + offset, high[v] + offset);
      } else {
        x[v] = load<T>(image[v] + offset);
        keep(x[v]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const Vec<T> w = broadcast<T>(weights[i]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += w * x[v];
    }
    weights += MR;
  }
  finish<T, MR, NV, Split>(c, first, acc);
}

// Shared out evenly: 4 vectors as 2 and 2, not as 3 and 1.
template <class T, int MR, bool Split>
__attribute__((noinline)) void panel_rows(const ConvPanel<T>& c) {
  constexpr int NV = max_vectors(MR);
  const int64_t tiles = (c.vectors + NV - 1) / NV;
  int64_t v = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t left = tiles - i, count = (c.vectors - v + left - 1) / left;
    if (count == NV) {
      tile<T, MR, NV, Split>(c, v);
    } else if (count == NV - 1) {
      tile<T, MR, NV - 1, Split>(c, v);
    } else {
      if constexpr (NV > 2) {
        if (count == NV - 2) tile<T, MR, NV - 2, Split>(c, v);
      }
      if constexpr (NV > 3) {
        if (count == NV - 3) tile<T, MR, NV - 3, Split>(c, v);
      }
    }
    v += count;
  }
}

template <class T, int MR>
TG_SIMD void panel_to(const ConvPanel<T>& c) {
  if constexpr (kSplits<T>) {
    if (c.image_high != nullptr) return panel_rows<T, MR, true>(c);
  }
  panel_rows<T, MR, false>(c);
}

template <class T, int MR = kPanelRows>
TG_SIMD void panel(const ConvPanel<T>& c) {
  if (c.rows == MR) return panel_to<T, MR>(c);
  if constexpr (MR > 1) panel<T, MR - 1>(c);
}

}  // namespace

ConvGeometry conv_geometry_f32() {
  return {kPanelRows, kLanes<float>, kMaskedStores, kSplits<float>};
}
ConvGeometry conv_geometry_f64() {
  return {kPanelRows, kLanes<double>, kMaskedStores, kSplits<double>};
}
void conv_panel_f32(const ConvPanel<float>& c) { panel(c); }
void conv_panel_f64(const ConvPanel<double>& c) { panel(c); }

}  // namespace tilegrad::TILEGRAD_ISA
