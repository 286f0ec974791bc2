// Weight gradient, register tiles. tile: MT taps by NV vectors of filters, which are one panel of dy; per output
// position MT image elements are broadcast and NV neighbouring vectors of dy loaded. runs: the same for one vector of filters
// and taps in rows of S neighbours, one address a row: with short rows of output the addresses cost most. dot: for few filters, vectors
// run along the output columns instead, MK filters by MT taps, summed over the lanes at the end.
#include "core/ceil_div.h"
#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// Tile: MT pointers in general registers, MT * NV accumulators. Dot: MK * MT accumulators.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kTileTaps = 9, kTileVectors = 3, kDotFilters = 3, kDotTaps = 9;
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kTileTaps = 8, kTileVectors = 3, kDotFilters = 3, kDotTaps = 6;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kTileTaps = 6, kTileVectors = 2, kDotFilters = 3, kDotTaps = 4;
#else
constexpr int kTileTaps = 4, kTileVectors = 2, kDotFilters = 2, kDotTaps = 4;
#endif

template <class T, int MT, int NV>
__attribute__((noinline)) void weight_tile(const ConvWeightTile<T>& c, int64_t tap,
                                           int64_t filter) {
  constexpr int W = kLanes<T>;
  const T* x[MT];
  Vec<T> acc[MT][NV];
#pragma GCC unroll 16
  for (int t = 0; t < MT; ++t) {
    x[t] = c.image + c.offsets[tap + t];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[t][v] = Vec<T>{};
  }
  const T* dy = c.dy + c.rows * c.cols * filter;
  for (int64_t p = 0; p < c.rows; ++p) {
    for (int64_t q = 0; q < c.cols; ++q) {
      Vec<T> g[NV];
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) g[v] = load<T>(dy + v * W);
#pragma GCC unroll 16
      for (int t = 0; t < MT; ++t) {
        const Vec<T> xt = broadcast<T>(x[t][q]);
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[t][v] += xt * g[v];
      }
      dy += NV * W;
    }
#pragma GCC unroll 16
    for (int t = 0; t < MT; ++t) x[t] += c.image_row;
  }
  T* sums = c.sums + tap * c.filters + filter;
#pragma GCC unroll 16
  for (int t = 0; t < MT; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      T* out = sums + t * c.filters + v * W;
      store<T>(out, c.first ? acc[t][v] : load<T>(out) + acc[t][v]);
    }
  }
}

template <class T, int NV, int MT = kTileTaps>
TG_SIMD void weight_taps(const ConvWeightTile<T>& c, int64_t tap, int64_t filter, int64_t taps) {
  if (taps == MT) return weight_tile<T, MT, NV>(c, tap, filter);
  if constexpr (MT > 1) weight_taps<T, NV, MT - 1>(c, tap, filter, taps);
}

// MR rows of S neighbouring taps: more rows do not run faster.
template <class T, int MR, int S>
__attribute__((noinline)) void weight_runs(const ConvWeightTile<T>& c, int64_t tap) {
  const int64_t image_row = c.image_row, rows = c.rows, cols = c.cols, filters = c.filters;
  const T* x[MR];
  Vec<T> acc[MR * S];
#pragma GCC unroll 4
  for (int r = 0; r < MR; ++r) x[r] = c.image + c.offsets[tap + r * S];
#pragma GCC unroll 16
  for (int t = 0; t < MR * S; ++t) acc[t] = Vec<T>{};
  const T* dy = c.dy;
  for (int64_t p = 0; p < rows; ++p) {
    for (int64_t q = 0; q < cols; ++q) {
      const Vec<T> g = load<T>(dy);
#pragma GCC unroll 16
      for (int t = 0; t < MR * S; ++t) acc[t] += broadcast<T>(x[t / S][q + t % S]) * g;
      dy += filters;
    }
#pragma GCC unroll 4
    for (int r = 0; r < MR; ++r) x[r] += image_row;
  }
  T* sums = c.sums + tap * filters;
  const bool first = c.first;
#pragma GCC unroll 16
  for (int t = 0; t < MR * S; ++t) {
    T* out = sums + t * filters;
    store<T>(out, first ? acc[t] : load<T>(out) + acc[t]);
  }
}

template <class T, int MR, int S>
TG_SIMD void weight_run_tiles(const ConvWeightTile<T>& c) {
  int64_t tap = 0;
  for (; tap + MR * S <= c.taps; tap += MR * S) weight_runs<T, MR, S>(c, tap);
  for (; tap < c.taps; tap += S) weight_runs<T, 1, S>(c, tap);
}

// A panel of dy stays in L1 while all taps pass. Taps are shared out evenly, as panels are: 10 as 5 and 5.
template <class T>
TG_SIMD void weight_tiles(const ConvWeightTile<T>& c) {
  constexpr int W = kLanes<T>;
  if (c.filters == W && c.run == 3) return weight_run_tiles<T, 3, 3>(c);
  if (c.filters == W && c.run == 5) return weight_run_tiles<T, 2, 5>(c);
  const int64_t tap_tiles = ceil_div(c.taps, kTileTaps);
  const int64_t vectors = c.filters / W;
  const int64_t panels = ceil_div(vectors, kTileVectors);
  for (int64_t j = 0; j < panels; ++j) {
    const int64_t v = vectors * j / panels, width = vectors * (j + 1) / panels - v;
    for (int64_t i = 0; i < tap_tiles; ++i) {
      const int64_t tap = c.taps * i / tap_tiles, taps = c.taps * (i + 1) / tap_tiles - tap;
      switch (width) {
        case 1:
          weight_taps<T, 1>(c, tap, v * W, taps);
          break;
        case 2:
          weight_taps<T, 2>(c, tap, v * W, taps);
          break;
        default:
          if constexpr (kTileVectors > 2) weight_taps<T, 3>(c, tap, v * W, taps);
      }
    }
  }
}

// Taps in rows of S neighbours (1: anywhere).
template <class T, int MK, int MT, int S = 1>
__attribute__((noinline)) void weight_dot(const ConvWeightDot<T>& c, int64_t filter, int64_t tap) {
  constexpr int W = kLanes<T>;
  int64_t offset[MT / S];
  Vec<T> acc[MK][MT];
#pragma GCC unroll 16
  for (int r = 0; r < MT / S; ++r) offset[r] = c.offsets[tap + r * S];
#pragma GCC unroll 16
  for (int t = 0; t < MT; ++t) {
#pragma GCC unroll 4
    for (int f = 0; f < MK; ++f) acc[f][t] = Vec<T>{};
  }
  const auto step = [&](const T* dy, const T* x, auto read) __attribute__((always_inline)) {
    Vec<T> g[MK];
#pragma GCC unroll 4
    for (int f = 0; f < MK; ++f) g[f] = read(dy + f * c.dy_plane);
#pragma GCC unroll 16
    for (int t = 0; t < MT; ++t) {
      Vec<T> xt = read(x + offset[t / S] + t % S);
      keep(xt);
#pragma GCC unroll 4
      for (int f = 0; f < MK; ++f) acc[f][t] += g[f] * xt;
    }
  };
  const auto step_pair = [&](const T* dy, const T* x) __attribute__((always_inline)) {
    Vec<T> g[MK];
#pragma GCC unroll 4
    for (int f = 0; f < MK; ++f) {
      g[f] = load_halves<T>(dy + f * c.dy_plane, dy + f * c.dy_plane + c.cols);
    }
#pragma GCC unroll 16
    for (int t = 0; t < MT; ++t) {
      const T* low = x + offset[t / S] + t % S;
      const Vec<T> xt = load_halves<T>(low, low + c.image_row);
#pragma GCC unroll 4
      for (int f = 0; f < MK; ++f) acc[f][t] += g[f] * xt;
    }
  };
  const int64_t cols = c.cols, whole = cols / W * W, image_row = c.image_row;
  const int left = static_cast<int>(cols - whole);
  const bool pairs = kSplitVectors && sizeof(T) == 4 && 2 * left == W;
  const auto read = [](const T* a) __attribute__((always_inline)) { return load<T>(a); };
  const auto read_left = [left](const T* a) __attribute__((always_inline)) {
    return load_partial<T>(a, left);
  };
  for (int64_t n = 0; n < c.images; ++n) {
    const T* dy = c.dy + n * c.dy_stride + filter * c.dy_plane;
    const T* x = c.image + n * c.image_stride;
    for (int64_t p = 0; p < c.rows; ++p) {
      for (int64_t q = 0; q < whole; q += W) step(dy + q, x + q, read);
      if (pairs && p + 1 < c.rows) {
        // The halves that end this row and the next make one vector.
        for (int64_t q = 0; q < whole; q += W) step(dy + cols + q, x + image_row + q, read);
        step_pair(dy + whole, x + whole);
        ++p, dy += cols, x += image_row;
      } else if (left > 0) {
        step(dy + whole, x + whole, read_left);
      }
      dy += cols;
      x += image_row;
    }
  }
#pragma GCC unroll 4
  for (int f = 0; f < MK; ++f) {
#pragma GCC unroll 16
    for (int t = 0; t < MT; ++t) {
      c.sums[(filter + f) * c.sums_row + tap + t] = sum_lanes<T>(acc[f][t]);
    }
  }
}

template <class T, int MK, int MT = kDotTaps>
TG_SIMD void dot_taps(const ConvWeightDot<T>& c, int64_t filter, int64_t tap, int64_t taps) {
  if (taps == MT) return weight_dot<T, MK, MT>(c, filter, tap);
  if constexpr (MT > 1) dot_taps<T, MK, MT - 1>(c, filter, tap, taps);
}

template <class T, int MK, int MR, int S>
TG_SIMD void dot_runs(const ConvWeightDot<T>& c, int64_t filter) {
  int64_t tap = 0;
  for (; tap + MR * S <= c.taps; tap += MR * S) weight_dot<T, MK, MR * S, S>(c, filter, tap);
  for (; tap < c.taps; tap += S) weight_dot<T, MK, S, S>(c, filter, tap);
}

// True where rows of 3 or 5 taps suit the registers: one address each instead of one a tap.
template <class T>
TG_SIMD bool weight_dot_runs(const ConvWeightDot<T>& c) {
  if (kDotTaps < 9 || c.filters % 3 != 0 || (c.run != 3 && c.run != 5)) return false;
  for (int64_t f = 0; f < c.filters; f += 3) {
    c.run == 5 ? dot_runs<T, 3, 1, 5>(c, f) : dot_runs<T, 3, 2, 3>(c, f);
  }
  return true;
}

template <class T>
TG_SIMD void weight_dots(const ConvWeightDot<T>& c) {
  if (weight_dot_runs(c)) return;
  const int64_t tap_tiles = ceil_div(c.taps, kDotTaps);
  const int64_t filter_tiles = ceil_div(c.filters, kDotFilters);
  for (int64_t i = 0; i < filter_tiles; ++i) {
    const int64_t f = c.filters * i / filter_tiles;
    const int64_t filters = c.filters * (i + 1) / filter_tiles - f;
    for (int64_t j = 0; j < tap_tiles; ++j) {
      const int64_t tap = c.taps * j / tap_tiles, taps = c.taps * (j + 1) / tap_tiles - tap;
      if (filters == 1) dot_taps<T, 1>(c, f, tap, taps);
      if (filters == 2) dot_taps<T, 2>(c, f, tap, taps);
      if constexpr (kDotFilters > 2) {
        if (filters == 3) dot_taps<T, 3>(c, f, tap, taps);
      }
    }
  }
}

}  // namespace

int conv_weight_vectors() { return kTileVectors; }
void conv_weight_tile_f32(const ConvWeightTile<float>& c) { weight_tiles(c); }
void conv_weight_tile_f64(const ConvWeightTile<double>& c) { weight_tiles(c); }
void conv_weight_dot_f32(const ConvWeightDot<float>& c) { weight_dots(c); }
void conv_weight_dot_f64(const ConvWeightDot<double>& c) { weight_dots(c); }

}  // namespace tilegrad::TILEGRAD_ISA
