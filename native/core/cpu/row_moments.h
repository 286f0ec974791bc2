// Mean and variance of a row, for the normalizations. A lane adds at most 64 values before they go into f64. For *_simd.cc
// files.
#pragma once

#include "core/cpu/simd_rows.h"

namespace tilegrad::TILEGRAD_ISA {

// The sum of f(i, count) over a row, however long.
template <class C, class F>
TG_SIMD double long_sum(int64_t n, F&& f) {
  constexpr int64_t kRun = 256 * kLanes<C>;
  double total = 0;
  for (int64_t first = 0; first < n; first += kRun) {
    const int64_t length = n - first < kRun ? n - first : kRun;
    total += static_cast<double>(row_sum<C>(
        length, [&f, first ](int64_t i, int count)
                    __attribute__((always_inline)) { return f(first + i, count); }));
  }
  return total;
}

struct Moments {
  double mean, variance;
};

// What f32 cannot square: in f64, value by value. Not a number where a value is not finite.
template <class T>
static Moments moments_f64(const T* x, int64_t n, bool center) {
  using C = compute_t<T>;
  double sum = 0, squares = 0;
  for (int64_t i = 0; center && i < n; ++i) sum += static_cast<double>(static_cast<C>(x[i]));
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(static_cast<C>(x[i])) - mean;
    squares += d * d;
  }
  return {mean, squares / static_cast<double>(n)};
}

template <class T>
TG_SIMD Moments mean_square(const T* x, int64_t n) {
  using C = compute_t<T>;
  const double squares = long_sum<C>(
      n, [x](int64_t i, int count) __attribute__((always_inline)) {
        const Vec<C> v = load_wide(x + i, count);
        return v * v;
      });
  if (squares - squares != 0) return moments_f64(x, n, false);
  return {0, squares / static_cast<double>(n)};
}

// Around `pivot`, in one pass: the sums of x - pivot and of its squares.
template <class T>
TG_SIMD Moments moments_around(const T* x, int64_t n, compute_t<T> pivot) {
  using C = compute_t<T>;
  constexpr int64_t kRun = 256 * kLanes<C>;
  const Vec<C> around = broadcast<C>(pivot);
  double sum = 0, squares = 0;
  for (int64_t first = 0; first < n; first += kRun) {
    const int64_t length = n - first < kRun ? n - first : kRun;
    Vec<C> s[4] = {}, q[4] = {};
    for_each_vector<C>(
        length, [&](int64_t i, int k, int count) __attribute__((always_inline)) {
          const Vec<C> d =
              first_lanes<C>(load_wide(x + first + i, count) - around, count, Vec<C>{});
          s[k] += d;
          q[k] += d * d;
        });
    sum += static_cast<double>(sum_lanes<C>((s[0] + s[1]) + (s[2] + s[3])));
    squares += static_cast<double>(sum_lanes<C>((q[0] + q[1]) + (q[2] + q[3])));
  }
  const double off = sum / static_cast<double>(n);
  return {static_cast<double>(pivot) + off, squares / static_cast<double>(n) - off * off};
}

// Around the first element, and only where that lies far from the mean, which costs digits, again around the mean.
template <class T>
TG_SIMD Moments moments(const T* x, int64_t n) {
  using C = compute_t<T>;
  if (n == 0) return {0, 0};
  const C first = load_wide(x, 1)[0];
  const Moments found = moments_around(x, n, first);
  const double off = found.mean - static_cast<double>(first);
  if (found.variance - found.variance != 0) return moments_f64(x, n, true);
  if (off * off <= 4 * found.variance) return found;
  return moments_around(x, n, static_cast<C>(found.mean));
}

}  // namespace tilegrad::TILEGRAD_ISA
