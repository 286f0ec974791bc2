// Mean and sum of squared deviations (var, std), and log-sum-exp, over runs that stay in the cache: a
// first pass finds the run's mean or largest value, a second the sum relative to it. Runs are joined
// in f64: the moments by Chan's formula, the exponentials by rescaling to the larger maximum.
#include "ops/reduce/reduce_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int64_t kRunRows = 128;

// Calls block(x, rows, stride, columns, accumulators) for blocks of at most kRunRows rows and a vector of columns.
template <class T, class Accumulator, class Block>
TG_SIMD void each_block(const T* x, const ReduceSlab& slab, Accumulator* a, Block&& block) {
  constexpr int W = kWide<T>;
  for (int64_t r = 0; r < slab.count; r += kRunRows) {
    const int64_t rows = slab.count - r < kRunRows ? slab.count - r : kRunRows;
    for (int64_t c = 0; c < slab.n; c += W)
      block(x + r * slab.stride + c, rows, slab.stride,
            slab.n - c < W ? static_cast<int>(slab.n - c) : W, a + c);
  }
}

template <class T>
struct Moments {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  static constexpr int W = kWide<T>;
  static constexpr int64_t kRun = 128 * W;
  struct Accumulator {
    double n, mean, squares;
  };

  static Accumulator start() { return {0, 0, 0}; }
  static void merge(Accumulator* into, const Accumulator& from) {
    if (from.n == 0) return;
    if (into->n == 0)
      return static_cast<void>(*into = from);  // a square of the mean may be infinite
    const double n = into->n + from.n, delta = from.mean - into->mean;
    into->mean += delta * (from.n / n);
    into->squares += from.squares + delta * delta * (into->n * (from.n / n));
    into->n = n;
  }
  // Sums of d = x - shift and d^2 over n values; exact in the shift, whatever it is.
  static Accumulator around(double shift, double n, double d, double squares) {
    return {n, shift + d / n, squares - d * (d / n)};
  }
  // Squares of f32 leave its range where the deviations are about 1e19 or 1e-19.
  static constexpr float kLeastSquares = 1e-28f, kMostSquares = 1e38f;
  static bool in_range(C squares) {
    if constexpr (sizeof(C) == sizeof(double)) return true;
    return squares == 0 || (squares > kLeastSquares && squares < kMostSquares);
  }
  /// The moments of n values, `stride` apart, in f64 throughout.
  static Accumulator in_f64(const T* x, int64_t n, int64_t stride) {
    const auto at = [=](int64_t i) { return static_cast<double>(load_wide(x + i * stride, 1)[0]); };
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) sum += at(i);
    const double mean = sum / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) squares += (at(i) - mean) * (at(i) - mean);
    return {static_cast<double>(n), mean, squares};
  }

  TG_SIMD void row(const T* x, int64_t n, int64_t, int64_t, Accumulator* a) {
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t length = n - i < kRun ? n - i : kRun;
      const T* run = x + i;
      const C sum = row_sum<C>(
          length, [&](int64_t j, int count)
                      __attribute__((always_inline)) { return load_wide(run + j, count); });
      const C shift = sum / static_cast<C>(length);
      const Vec<C> shifts = broadcast<C>(shift);
      Vec<C> d[4] = {}, s[4] = {};
      for_each_vector<C>(
          length, [&](int64_t j, int k, int count) __attribute__((always_inline)) {
            const Vec<C> e = first_lanes<C>(load_wide(run + j, count) - shifts, count, Vec<C>{});
            d[k] += e;
            s[k] += e * e;
          });
      const C squares = sum_lanes<C>((s[0] + s[1]) + (s[2] + s[3]));
      const C sum_d = sum_lanes<C>((d[0] + d[1]) + (d[2] + d[3]));
      merge(a, in_range(squares) ? around(static_cast<double>(shift), static_cast<double>(length),
                                          static_cast<double>(sum_d), static_cast<double>(squares))
                                 : in_f64(run, length, 1));
    }
  }

  static void columns(const T* x, const ReduceSlab& slab, Accumulator* a) {
    each_block(x, slab, a, block);
  }
  TG_SIMD void block(const T* x, int64_t rows, int64_t stride, int count, Accumulator* a) {
    Vec<C> sum = {}, d = {}, s = {};
    for (int64_t r = 0; r < rows; ++r) sum += load_wide(x + r * stride, count);
    const Vec<C> shift = sum / static_cast<C>(rows);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec<C> e = load_wide(x + r * stride, count) - shift;
      d += e;
      s += e * e;
    }
    if constexpr (sizeof(C) < sizeof(double)) {
      const Vec<C> least = broadcast<C>(kLeastSquares), most = broadcast<C>(kMostSquares);
      const Vec<C> none = {}, one = broadcast<C>(1);
      const Vec<C> off = (s == none) | ((s > least) & (s < most)) ? none : one;
      if (sum_lanes<C>(off) != 0) return each_in_f64(x, rows, stride, count, a);
    }
    for (int i = 0; i < count; ++i)
      merge(&a[i], around(static_cast<double>(shift[i]), static_cast<double>(rows),
                          static_cast<double>(d[i]), static_cast<double>(s[i])));
  }
  static void each_in_f64(const T* x, int64_t rows, int64_t stride, int count, Accumulator* a) {
    for (int i = 0; i < count; ++i) merge(&a[i], in_f64(x + i, rows, stride));
  }

  static void finish(const Accumulator* a, int64_t count, const ReduceFinish& how, T* out,
                     int64_t*) {
    const double n = how.numel - how.correction > 0 ? how.numel - how.correction : 0;
    for (int64_t i = 0; i < count; ++i) {
      double value = (a[i].squares < 0 ? 0 : a[i].squares) / n;
      if (how.numel == 0) value = __builtin_nan("");
      if (how.root) value = __builtin_sqrt(value);
      out[i] = static_cast<T>(static_cast<C>(value));
    }
  }
};

template <class T>
struct LogSumExp {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  static constexpr int W = kWide<T>;
  static constexpr int64_t kRun = 256 * W;
  struct Accumulator {
    double largest, sum;  // of exp(x - shift(largest))
  };

  // An infinite maximum is no shift: inf - inf would be NaN.
  static double shift(double largest) { return largest - largest == 0 ? largest : 0; }
  static Accumulator start() { return {-__builtin_inf(), 0}; }
  static void merge(Accumulator* into, const Accumulator& from) {
    const double largest = from.largest > into->largest ? from.largest : into->largest;
    *into = {largest, rescaled(*into, largest) + rescaled(from, largest)};
  }
  static double rescaled(const Accumulator& a, double largest) {
    return a.sum == 0 ? 0 : a.sum * math::exp(shift(a.largest) - shift(largest));
  }

  TG_SIMD void row(const T* x, int64_t n, int64_t, int64_t, Accumulator* a) {
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t length = n - i < kRun ? n - i : kRun;
      const C largest = row_max(x + i, length);
      const Vec<C> by = broadcast<C>(static_cast<C>(shift(static_cast<double>(largest))));
      const C sum = row_sum<C>(
          length, [&](int64_t j, int count) __attribute__((always_inline)) {
            return exp(load_wide(x + i + j, count) - by);
          });
      merge(a, {static_cast<double>(largest), static_cast<double>(sum)});
    }
  }

  static void columns(const T* x, const ReduceSlab& slab, Accumulator* a) {
    each_block(x, slab, a, block);
  }
  TG_SIMD void block(const T* x, int64_t rows, int64_t stride, int count, Accumulator* a) {
    Vec<C> most = broadcast<C>(kLowest<C>), sum = {};
    for (int64_t r = 0; r < rows; ++r) most = larger<C>(load_wide(x + r * stride, count), most);
    const Vec<C> by = most - most == Vec<C>{} ? most : Vec<C>{};
    for (int64_t r = 0; r < rows; ++r) sum += exp(load_wide(x + r * stride, count) - by);
    for (int i = 0; i < count; ++i)
      merge(&a[i], {static_cast<double>(most[i]), static_cast<double>(sum[i])});
  }

  static void finish(const Accumulator* a, int64_t count, const ReduceFinish&, T* out, int64_t*) {
    for (int64_t i = 0; i < count; ++i)
      out[i] = static_cast<T>(static_cast<C>(shift(a[i].largest) + math::log(a[i].sum)));
  }
};

}  // namespace

ReduceKernel moments_kernel(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return kernel_of<Moments<T>>())
  return {};
}

ReduceKernel logsumexp_kernel(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return kernel_of<LogSumExp<T>>())
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
