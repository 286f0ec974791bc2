// Sums and maps over the channels of (batch, channels, inner). With inner > 1 a channel is walked image by image, vectors
// along inner; with inner == 1 a vector holds neighbouring channels. Sums: a lane adds at most kRun values before they go
// into f64; the variance is taken around the mean of a first pass.
#include "ops/batch_norm/batch_norm_simd.h"

#include "core/cpu/simd_rows.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int64_t kRun = 128;

// f(offset, count, terms) gives K vectors of terms of elements [offset, offset + count); totals[k] is their sum over the
// channel c.
template <int K, class T, class F>
TG_SIMD void sum_channel(const ChannelLayout& l, int64_t c, double* totals, F&& f) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  Vec<C> sums[K] = {};
  int64_t held = 0;
  const auto flush = [&]() __attribute__((always_inline)) {
    for (int k = 0; k < K; ++k) {
      totals[k] += static_cast<double>(sum_lanes<C>(sums[k]));
      sums[k] = Vec<C>{};
    }
    held = 0;
  };
  for (int k = 0; k < K; ++k) totals[k] = 0;
  for (int64_t b = 0; b < l.batch; ++b) {
    const int64_t base = (b * l.channels + c) * l.inner;
    for (int64_t i = 0; i < l.inner; i += W) {
      const int count = l.inner - i < W ? static_cast<int>(l.inner - i) : W;
      Vec<C> terms[K];
      f(base + i, count, terms);
      for (int k = 0; k < K; ++k) sums[k] += first_lanes<C>(terms[k], count, Vec<C>{});
      if (++held == kRun) flush();
    }
  }
  flush();
}

// The same for `lanes` neighbouring channels from c on where inner is 1: totals[k * W + lane].
template <int K, class T, class F>
TG_SIMD void sum_columns(const ChannelLayout& l, int64_t c, int lanes, double* totals, F&& f) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  for (int i = 0; i < K * W; ++i) totals[i] = 0;
  for (int64_t first = 0; first < l.batch; first += kRun) {
    const int64_t last = l.batch - first < kRun ? l.batch : first + kRun;
    Vec<C> sums[K] = {};
    for (int64_t b = first; b < last; ++b) {
      Vec<C> terms[K];
      f(b * l.channels + c, lanes, terms);
      for (int k = 0; k < K; ++k) sums[k] += terms[k];
    }
    for (int k = 0; k < K; ++k)
      for (int i = 0; i < W; ++i) totals[k * W + i] += static_cast<double>(sums[k][i]);
  }
}

// Calls body(c, lanes, values) for channels [first, last): one at a time with inner > 1, else a vector of them.
// values(p) is p of those channels as a vector.
template <class T, class Body>
TG_SIMD void for_channels(const ChannelLayout& l, int64_t first, int64_t last, Body&& body) {
  const int64_t step = l.inner == 1 ? kWide<T> : 1;
  for (int64_t c = first; c < last; c += step)
    body(c, static_cast<int>(last - c < step ? last - c : step));
}

template <class T>
TG_SIMD Wide<T> channel_value(const ChannelLayout& l, const compute_t<T>* p, int64_t c, int lanes) {
  using C = compute_t<T>;
  return l.inner == 1 ? load_wide<C>(p + c, lanes) : broadcast<C>(p[c]);
}

template <int K, class T, class F>
TG_SIMD void sum_channels(const ChannelLayout& l, int64_t c, int lanes, double* totals, F&& f) {
  if (l.inner == 1)
    sum_columns<K, T>(l, c, lanes, totals, f);
  else
    sum_channel<K, T>(l, c, totals, f);
}

template <class T>
TG_SIMD void channel_moments(const T* x, const ChannelLayout& l, int64_t c, int lanes, double* mean,
                             double* variance) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  const double n = static_cast<double>(l.per_channel());
  double totals[2 * W] = {};
  C shift[W] = {};
  sum_channels<1, T>(
      l, c, lanes,
      totals, [x](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
        terms[0] = load_wide(x + at, count);
      });
  for (int i = 0; i < lanes; ++i) shift[i] = static_cast<C>(totals[i] / n);
  const Vec<C> around = l.inner == 1 ? load_wide<C>(shift) : broadcast<C>(shift[0]);
  sum_channels<2, T>(
      l, c, lanes, totals,
      [ x, around ](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
        terms[0] = load_wide(x + at, count) - around;
        terms[1] = terms[0] * terms[0];
      });
  const double* squares = totals + (l.inner == 1 ? W : 1);
  for (int i = 0; i < lanes; ++i) {
    const double off = totals[i] / n, value = squares[i] / n - off * off;
    mean[c + i] = static_cast<double>(shift[i]) + off;
    variance[c + i] = value < 0 ? 0 : value;
  }
}

template <class T>
void moments(const void* x_data, const ChannelLayout& l, int64_t first, int64_t last, double* mean,
             double* variance) {
  auto* x = static_cast<const T*>(x_data);
  for_channels<T>(
      l, first, last, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        channel_moments(x, l, c, lanes, mean, variance);
      });
}

// Calls f(offset, count) for each vector of the channels.
template <class T, class F>
TG_SIMD void map_channels(const ChannelLayout& l, int64_t c, int lanes, F&& f) {
  constexpr int W = kWide<T>;
  for (int64_t b = 0; b < l.batch; ++b) {
    const int64_t base = (b * l.channels + c) * l.inner;
    if (l.inner == 1) {
      f(base, lanes);
      continue;
    }
    for (int64_t i = 0; i < l.inner; i += W)
      f(base + i, l.inner - i < W ? static_cast<int>(l.inner - i) : W);
  }
}

template <class T>
void normalize(const void* x_data, void* y_data, const ChannelLayout& l, int64_t first,
               int64_t last, const void* mean, const void* scale, const void* shift) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* y = static_cast<T*>(y_data);
  for_channels<T>(
      l, first, last, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        const Vec<C> m = channel_value<T>(l, static_cast<const C*>(mean), c, lanes),
                     s = channel_value<T>(l, static_cast<const C*>(scale), c, lanes),
                     t = channel_value<T>(l, static_cast<const C*>(shift), c, lanes);
        map_channels<T>(
            l, c, lanes, [&](int64_t at, int count) __attribute__((always_inline)) {
              store_narrow<T>(y + at, (load_wide(x + at, count) - m) * s + t, count);
            });
      });
}

template <class T>
TG_SIMD void channel_gradient_sums(const T* dout, const T* x, const ChannelLayout& l, int64_t c,
                                   int lanes, Wide<T> mean, double* sum, double* dot) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  double totals[2 * W] = {};
  sum_channels<2, T>(
      l, c, lanes, totals,
      [ dout, x, mean ](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
        terms[0] = load_wide(dout + at, count);
        terms[1] = terms[0] * (load_wide(x + at, count) - mean);
      });
  const double* dots = totals + (l.inner == 1 ? W : 1);
  for (int i = 0; i < lanes; ++i) {
    sum[c + i] = totals[i];
    dot[c + i] = dots[i];
  }
}

template <class T>
void gradient_sums(const void* dout_data, const void* x_data, const ChannelLayout& l, int64_t first,
                   int64_t last, const void* mean, double* sum, double* dot) {
  auto* dout = static_cast<const T*>(dout_data);
  auto* x = static_cast<const T*>(x_data);
  auto* means = static_cast<const compute_t<T>*>(mean);
  for_channels<T>(
      l, first, last, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        channel_gradient_sums(dout, x, l, c, lanes, channel_value<T>(l, means, c, lanes), sum, dot);
      });
}

template <class T>
void gradient(const void* dout_data, const void* x_data, void* dx_data, const ChannelLayout& l,
              int64_t first, int64_t last, const void* mean, const void* scale, const void* slope,
              const void* shift) {
  using C = compute_t<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* x = static_cast<const T*>(x_data);
  auto* dx = static_cast<T*>(dx_data);
  for_channels<T>(
      l, first, last, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        const Vec<C> m = channel_value<T>(l, static_cast<const C*>(mean), c, lanes),
                     s = channel_value<T>(l, static_cast<const C*>(scale), c, lanes),
                     k = channel_value<T>(l, static_cast<const C*>(slope), c, lanes),
                     t = channel_value<T>(l, static_cast<const C*>(shift), c, lanes);
        if (x == nullptr)
          return map_channels<T>(
              l, c, lanes, [&](int64_t at, int count) __attribute__((always_inline)) {
                store_narrow<T>(dx + at, load_wide(dout + at, count) * s, count);
              });
        map_channels<T>(
            l, c, lanes, [&](int64_t at, int count) __attribute__((always_inline)) {
              const Vec<C> around = (load_wide(x + at, count) - m) * k;
              store_narrow<T>(dx + at, load_wide(dout + at, count) * s + (around + t), count);
            });
      });
}

}  // namespace

BatchNormKernels batch_norm_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(
      dtype, T, return (BatchNormKernels{moments<T>, normalize<T>, gradient_sums<T>, gradient<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
