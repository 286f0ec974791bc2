// One plane of a depthwise convolution: a vector of output columns at a time reads its rows where they lie, padding is
// lanes left out of the loads. Four output rows share the rows that they read. Moves each plane once; narrow planes cost
// one vector a row.
#include "ops/conv2d/conv2d_depthwise_simd.h"

#include <algorithm>

#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_activation.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// Lanes of a vector at column `col` that lie in [0, width).
template <class T>
TG_SIMD Window<T> inside(int64_t col, int64_t width) {
  constexpr int64_t W = kLanes<T>;
  const int64_t begin = std::min(std::max<int64_t>(-col, 0), W);
  return window<T>(static_cast<int>(begin),
                   static_cast<int>(std::max(std::min(width - col, W), begin)));
}

// The input columns that one column of taps meets: those from `col` on, or every second one.
template <class T, int Stride>
struct Columns {
  int64_t col;
  Window<T> low, high;
};
template <class T, int Stride>
TG_SIMD Columns<T, Stride> columns(int64_t col, int64_t width) {
  return {col, inside<T>(col, width), inside<T>(col + kLanes<T>, width)};
}

template <class T, int Stride>
TG_SIMD Vec<T> read(const T* row, const Columns<T, Stride>& c) {
  const Vec<T> low = load<T>(row + c.col, c.low);
  if constexpr (Stride == 1) {
    return low;
  } else {
    const Vec<T> high = load<T>(row + c.col + kLanes<T>, c.high);
    return __builtin_shuffle(low, high, lane_numbers<T>() * 2);
  }
}

template <class T, int K, int Stride>
__attribute__((noinline)) void plane(const DepthwisePlane<T>& c) {
  constexpr int W = kLanes<T>, kRows = 4;
  const T* const w = c.weight;
  Vec<T> taps[K * K];
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) taps[t] = broadcast<T>(w[c.flipped ? K * K - 1 - t : t]);
  const Vec<T> bias = c.bias != nullptr ? broadcast<T>(*c.bias) : Vec<T>{};
  // Rows that all vectors of columns pass before the next ones do: what they read and write stays in L1.
  const int64_t chunk = K == 3 && c.out_w > W ? 16 : c.out_h;
  int64_t top = 0, q = 0;
  while (top < c.out_h) {
    const int64_t end = std::min(top + chunk, c.out_h);
    const int count = static_cast<int>(std::min<int64_t>(W, c.out_w - q));
    Columns<T, Stride> cols[K];
#pragma GCC unroll 7
    for (int b = 0; b < K; ++b) {
      cols[b] = columns<T, Stride>(q * Stride + b - c.pad_left, c.in_w);
    }
    for (int64_t p = top; p < end; p += kRows) {
      const int64_t rows = std::min<int64_t>(kRows, end - p);
      const int64_t last = (rows - 1) * Stride + K;
      Vec<T> acc[kRows];
#pragma GCC unroll 4
      for (int o = 0; o < kRows; ++o) acc[o] = bias;
#pragma GCC unroll 13
      for (int i = 0; i < (kRows - 1) * Stride + K; ++i) {
        const int64_t row = p * Stride + i - c.pad_top;
        if (row < 0 || row >= c.in_h || i >= last) continue;
        Vec<T> x[K];
#pragma GCC unroll 7
        for (int b = 0; b < K; ++b) x[b] = read<T, Stride>(c.in + row * c.in_w, cols[b]);
#pragma GCC unroll 4
        for (int o = 0; o < kRows; ++o) {
          const int r = i - o * Stride;
          if (r < 0 || r >= K) continue;
#pragma GCC unroll 7
          for (int b = 0; b < K; ++b) acc[o] += taps[r * K + b] * x[b];
        }
      }
#pragma GCC unroll 4
      for (int o = 0; o < kRows; ++o) {
        if (o >= rows) break;
        const int64_t at = (p + o) * c.out_w + q;
        if (c.residual != nullptr) acc[o] += load_partial<T>(c.residual + at, count);
        store_partial<T>(c.out + at, activate<T>(acc[o], c.activation), count);
      }
    }
    q += W;
    if (q >= c.out_w) top = end, q = 0;
  }
}

template <class T>
TG_SIMD void depthwise_plane(const DepthwisePlane<T>& c) {
  if (c.kernel == 3) return c.stride == 1 ? plane<T, 3, 1>(c) : plane<T, 3, 2>(c);
  if (c.kernel == 5) return c.stride == 1 ? plane<T, 5, 1>(c) : plane<T, 5, 2>(c);
  c.stride == 1 ? plane<T, 7, 1>(c) : plane<T, 7, 2>(c);
}

// Taps of one column phase: those that meet dx columns 2 j + phase, at dy columns j + shift.
template <class T>
struct PhaseColumns {
  int count = 0, tap[4];
  int64_t col[4];
  Window<T> lanes[4];
};

template <class T>
TG_SIMD PhaseColumns<T> phase_columns(const DepthwiseSpread<T>& c, int64_t first, int phase) {
  PhaseColumns<T> found;
  for (int s = 0; s < c.kernel; ++s) {
    const int64_t at = phase + c.pad_left - s;
    if (at % 2 != 0) continue;
    found.tap[found.count] = s;
    found.col[found.count] = first + at / 2;
    found.lanes[found.count++] = inside<T>(first + at / 2, c.out_w);
  }
  return found;
}

template <class T>
TG_SIMD Vec<T> phase_sum(const PhaseColumns<T>& columns, const T* dy, const T* weight, Vec<T> sum) {
  for (int i = 0; i < columns.count; ++i) {
    sum += broadcast<T>(weight[columns.tap[i]]) * load<T>(dy + columns.col[i], columns.lanes[i]);
  }
  return sum;
}

template <class T>
TG_SIMD void depthwise_spread(const DepthwiseSpread<T>& c) {
  constexpr int W = kLanes<T>;
  const Mask<T> lane = lane_numbers<T>();
  const Mask<T> low = (lane >> 1) + (lane & 1) * W, high = low + W / 2;
  for (int64_t j = 0; 2 * j < c.in_w; j += W) {
    const PhaseColumns<T> even = phase_columns<T>(c, j, 0), odd = phase_columns<T>(c, j, 1);
    const int64_t left = c.in_w - 2 * j;
    for (int64_t h = 0; h < c.in_h; ++h) {
      Vec<T> a = {}, b = {};
      for (int64_t r = (h + c.pad_top) % 2; r < c.kernel; r += 2) {
        const int64_t row = (h + c.pad_top - r) / 2;
        if (h + c.pad_top < r || row >= c.out_h) continue;
        const T *dy = c.dy + row * c.out_w, *weight = c.weight + r * c.kernel;
        a = phase_sum<T>(even, dy, weight, a);
        b = phase_sum<T>(odd, dy, weight, b);
      }
      T* out = c.dx + h * c.in_w + 2 * j;
      store_partial<T>(out, __builtin_shuffle(a, b, low), static_cast<int>(left < W ? left : W));
      if (left <= W) continue;
      store_partial<T>(out + W, __builtin_shuffle(a, b, high),
                       static_cast<int>(left < 2 * W ? left - W : W));
    }
  }
}

// Rows [first, first + Rows) of the taps.
template <class T, int K, int Stride, int Rows>
__attribute__((noinline)) void weight_rows(const DepthwiseWeight<T>& c, int first) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[Rows * K];
#pragma GCC unroll 9
  for (int t = 0; t < Rows * K; ++t) acc[t] = Vec<T>{};
  for (int64_t q = 0; q < c.out_w; q += W) {
    const int count = static_cast<int>(std::min<int64_t>(W, c.out_w - q));
    Columns<T, Stride> cols[K];
#pragma GCC unroll 7
    for (int b = 0; b < K; ++b) {
      cols[b] = columns<T, Stride>(q * Stride + b - c.pad_left, c.in_w);
    }
    for (int64_t n = 0; n < c.images; ++n) {
      const T *in = c.in + n * c.in_stride, *dy = c.dy + n * c.out_stride + q;
      for (int64_t p = 0; p < c.out_h; ++p) {
        const Vec<T> g = load_partial<T>(dy + p * c.out_w, count);
#pragma GCC unroll 3
        for (int r = 0; r < Rows; ++r) {
          const int64_t row = p * Stride + first + r - c.pad_top;
          if (row < 0 || row >= c.in_h) continue;
#pragma GCC unroll 7
          for (int b = 0; b < K; ++b) {
            acc[r * K + b] += g * read<T, Stride>(in + row * c.in_w, cols[b]);
          }
        }
      }
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < Rows * K; ++t) c.dweight[first * K + t] = sum_lanes<T>(acc[t]);
}

template <class T, int Stride>
TG_SIMD void depthwise_weight_stride(const DepthwiseWeight<T>& c) {
  if (c.kernel == 3) return weight_rows<T, 3, Stride, 3>(c, 0);
  for (int r = 0; r < c.kernel; ++r) {
    c.kernel == 5 ? weight_rows<T, 5, Stride, 1>(c, r) : weight_rows<T, 7, Stride, 1>(c, r);
  }
}

template <class T>
TG_SIMD void depthwise_weight(const DepthwiseWeight<T>& c) {
  c.stride == 1 ? depthwise_weight_stride<T, 1>(c) : depthwise_weight_stride<T, 2>(c);
}

}  // namespace

void depthwise_plane_f32(const DepthwisePlane<float>& c) { depthwise_plane(c); }
void depthwise_plane_f64(const DepthwisePlane<double>& c) { depthwise_plane(c); }
void depthwise_spread_f32(const DepthwiseSpread<float>& c) { depthwise_spread(c); }
void depthwise_spread_f64(const DepthwiseSpread<double>& c) { depthwise_spread(c); }
void depthwise_weight_f32(const DepthwiseWeight<float>& c) { depthwise_weight(c); }
void depthwise_weight_f64(const DepthwiseWeight<double>& c) { depthwise_weight(c); }

}  // namespace tilegrad::TILEGRAD_ISA
