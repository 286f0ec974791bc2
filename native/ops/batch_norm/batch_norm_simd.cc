// Sums and maps over the channels of (batch, channels, inner), each walked image by image, vectors along inner. Sums: a lane
// adds at most kRun values before they go into f64; the variance is taken around the mean of a first pass.
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

// Where a square leaves f32: value by value in f64.
template <class T>
void exact_moments(const T* x, const ChannelLayout& l, int64_t c, double* mean, double* variance) {
  using C = compute_t<T>;
  const double n = static_cast<double>(l.per_channel());
  double sum = 0, squares = 0;
  for (int pass = 0; pass < 2; ++pass)
    for (int64_t b = 0; b < l.batch; ++b)
      for (int64_t i = 0; i < l.inner; ++i) {
        const double v = static_cast<double>(static_cast<C>(x[(b * l.channels + c) * l.inner + i]));
        if (pass == 0)
          sum += v;
        else
          squares += (v - sum / n) * (v - sum / n);
      }
  *mean = sum / n;
  *variance = squares / n;
}

template <class T>
void moments(const void* x_data, const ChannelLayout& l, int64_t first, int64_t last, double* mean,
             double* variance) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  const double n = static_cast<double>(l.per_channel());
  for (int64_t c = first; c < last; ++c) {
    double sum, totals[2];
    sum_channel<1, T>(
        l, c, &sum, [x](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
          terms[0] = load_wide(x + at, count);
        });
    const C shift = static_cast<C>(sum / n);
    const Vec<C> around = broadcast<C>(shift);
    sum_channel<2, T>(
        l, c, totals,
        [ x, around ](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
          terms[0] = load_wide(x + at, count) - around;
          terms[1] = terms[0] * terms[0];
        });
    const double off = totals[0] / n, value = totals[1] / n - off * off;
    mean[c] = static_cast<double>(shift) + off;
    variance[c] = value < 0 ? 0 : value;
    if (value == __builtin_inf()) exact_moments(x, l, c, mean + c, variance + c);
  }
}

// Calls f(offset, count) for each vector of the channel.
template <class T, class F>
TG_SIMD void map_channel(const ChannelLayout& l, int64_t c, F&& f) {
  constexpr int W = kWide<T>;
  for (int64_t b = 0; b < l.batch; ++b) {
    const int64_t base = (b * l.channels + c) * l.inner;
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
  for (int64_t c = first; c < last; ++c) {
    const Vec<C> m = broadcast<C>(static_cast<const C*>(mean)[c]),
                 s = broadcast<C>(static_cast<const C*>(scale)[c]),
                 t = broadcast<C>(static_cast<const C*>(shift)[c]);
    map_channel<T>(
        l, c, [&](int64_t at, int count) __attribute__((always_inline)) {
          store_narrow<T>(y + at, (load_wide(x + at, count) - m) * s + t, count);
        });
  }
}

template <class T>
void gradient_sums(const void* dout_data, const void* x_data, const ChannelLayout& l, int64_t first,
                   int64_t last, const void* mean, double* sum, double* dot) {
  using C = compute_t<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* x = static_cast<const T*>(x_data);
  for (int64_t c = first; c < last; ++c) {
    const Vec<C> around = broadcast<C>(static_cast<const C*>(mean)[c]);
    double totals[2];
    sum_channel<2, T>(
        l, c, totals,
        [ dout, x, around ](int64_t at, int count, Vec<C>* terms) __attribute__((always_inline)) {
          terms[0] = load_wide(dout + at, count);
          terms[1] = terms[0] * (load_wide(x + at, count) - around);
        });
    sum[c] = totals[0];
    dot[c] = totals[1];
  }
}

template <class T>
void gradient(const void* dout_data, const void* x_data, void* dx_data, const ChannelLayout& l,
              int64_t first, int64_t last, const void* mean, const void* scale, const void* slope,
              const void* shift) {
  using C = compute_t<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* x = static_cast<const T*>(x_data);
  auto* dx = static_cast<T*>(dx_data);
  for (int64_t c = first; c < last; ++c) {
    const Vec<C> m = broadcast<C>(static_cast<const C*>(mean)[c]),
                 s = broadcast<C>(static_cast<const C*>(scale)[c]),
                 k = broadcast<C>(static_cast<const C*>(slope)[c]),
                 t = broadcast<C>(static_cast<const C*>(shift)[c]);
    if (x == nullptr)
      map_channel<T>(
          l, c, [&](int64_t at, int count) __attribute__((always_inline)) {
            store_narrow<T>(dx + at, load_wide(dout + at, count) * s, count);
          });
    else
      map_channel<T>(
          l, c, [&](int64_t at, int count) __attribute__((always_inline)) {
            const Vec<C> around = (load_wide(x + at, count) - m) * k;
            store_narrow<T>(dx + at, load_wide(dout + at, count) * s + (around + t), count);
          });
  }
}

}  // namespace

BatchNormKernels batch_norm_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(
      dtype, T, return (BatchNormKernels{moments<T>, normalize<T>, gradient_sums<T>, gradient<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
