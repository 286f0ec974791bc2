// Sums, of floats and their powers in the compute type, of integers in i64; products; any and all.
// Error bound of a float sum: a lane adds at most 64 values (a row: 4 vectors of lanes in runs of
// kRun; columns: 4 rows at a time in runs of kRunRows), what it has goes into an f64 accumulator.
#include "ops/reduce/reduce_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int64_t kRunRows = 256;
constexpr int64_t kRunColumns = 512;

template <SumOf kWhat>
struct Term {
  template <class C>
  TG_SIMD C of_one(C v) {
    if constexpr (kWhat == SumOf::magnitudes)
      return v < C(0) ? -v : v;
    else if constexpr (kWhat == SumOf::squares)
      return v * v;
    else if constexpr (kWhat == SumOf::nonzeros)
      return C(v != C(0));
    else
      return v;
  }
  template <class C>
  TG_SIMD Vec<C> of(Vec<C> v) {
    if constexpr (kWhat == SumOf::magnitudes)
      return v < Vec<C>{} ? -v : v;
    else if constexpr (kWhat == SumOf::squares)
      return v * v;
    else if constexpr (kWhat == SumOf::nonzeros)
      return v != Vec<C>{} ? broadcast<C>(C(1)) : Vec<C>{};
    else
      return v;
  }
};

template <class T, SumOf kWhat>
struct FloatSum {
  using Element = T;
  using Result = T;
  using Accumulator = double;
  using C = compute_t<T>;
  static constexpr int W = kWide<T>;
  static constexpr int64_t kRun = 256 * W;

  static double start() { return 0; }
  static void merge(double* into, double from) { *into += from; }

  TG_SIMD Vec<C> term(const T* x, int count) {
    return Term<kWhat>::template of<C>(load_wide(x, count));
  }

  TG_SIMD void row(const T* x, int64_t n, int64_t, int64_t, double* a) {
    if (n < W) {  // folding the lanes would cost more than the sum
      C sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += Term<kWhat>::template of_one<C>(static_cast<C>(x[i]));
      *a += static_cast<double>(sum);
      return;
    }
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t length = n - i < kRun ? n - i : kRun;
      *a += static_cast<double>(row_sum<C>(
          length, [&](int64_t j, int count)
                      __attribute__((always_inline)) { return term(x + i + j, count); }));
    }
  }

  TG_SIMD void add_rows(const T* x, int64_t stride, int64_t rows, int64_t n, C* run) {
    for (int64_t c = 0; c < n; c += W) {
      const int count = n - c < W ? static_cast<int>(n - c) : W;
      Vec<C> v = term(x + c, count);
      if (rows == 4) {
        v += term(x + c + stride, count);
        v += term(x + c + 2 * stride, count) + term(x + c + 3 * stride, count);
      }
      store_narrow<C>(run + c, load_wide<C>(run + c) + v);
    }
  }

  static void columns(const T* x, const ReduceSlab& slab, double* a) {
    alignas(64) C run[kRunColumns];
    for (int64_t c = 0; c < slab.n; c += kRunColumns) {
      const int64_t n = slab.n - c < kRunColumns ? slab.n - c : kRunColumns;
      for (int64_t r = 0; r < slab.count; r += kRunRows) {
        const int64_t rows = slab.count - r < kRunRows ? slab.count - r : kRunRows;
        for (int64_t i = 0; i < n; i += W) store_narrow<C>(run + i, Vec<C>{});
        const T* from = x + r * slab.stride + c;
        int64_t k = 0;
        for (; k + 4 <= rows; k += 4) add_rows(from + k * slab.stride, slab.stride, 4, n, run);
        for (; k < rows; ++k) add_rows(from + k * slab.stride, slab.stride, 1, n, run);
        for (int64_t i = 0; i < n; ++i) a[c + i] += static_cast<double>(run[i]);
      }
    }
  }

  static void finish(const double* a, int64_t count, const ReduceFinish& how, T* out, int64_t*) {
    for (int64_t i = 0; i < count; ++i) {
      double value = a[i];
      if constexpr (kWhat == SumOf::squares) value = __builtin_sqrt(value);
      if (how.mean) value /= how.numel;
      out[i] = static_cast<T>(static_cast<C>(value));
    }
  }
};

template <class T>
struct IntegerSum {
  using Element = T;
  using Result = int64_t;
  using Accumulator = uint64_t;  // wraps

  static uint64_t start() { return 0; }
  static void merge(uint64_t* into, uint64_t from) { *into += from; }
  static uint64_t wide(T x) { return static_cast<uint64_t>(static_cast<int64_t>(x)); }
  static void row(const T* x, int64_t n, int64_t, int64_t, uint64_t* a) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += wide(x[i]);
    *a += sum;
  }
  static void columns(const T* x, const ReduceSlab& slab, uint64_t* a) {
    for (int64_t r = 0; r < slab.count; ++r, x += slab.stride)
      for (int64_t c = 0; c < slab.n; ++c) a[c] += wide(x[c]);
  }
  static void finish(const uint64_t* a, int64_t count, const ReduceFinish&, int64_t* out,
                     int64_t*) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int64_t>(a[i]);
  }
};

// Floats in f64, so that no order of the factors overflows before another.
template <class T>
struct Product {
  using Element = T;
  using Result = std::conditional_t<kIsFloat<T>, T, int64_t>;
  using Accumulator = std::conditional_t<kIsFloat<T>, double, uint64_t>;

  static Accumulator start() { return 1; }
  static void merge(Accumulator* into, Accumulator from) { *into *= from; }
  static Accumulator wide(T x) {
    if constexpr (kIsFloat<T>)
      return static_cast<double>(static_cast<compute_t<T>>(x));
    else
      return static_cast<uint64_t>(static_cast<int64_t>(x));
  }
  static void row(const T* x, int64_t n, int64_t, int64_t, Accumulator* a) {
    constexpr int kLanesOfProduct = 32;
    Accumulator p[kLanesOfProduct];
    for (Accumulator& lane : p) lane = 1;
    int64_t i = 0;
    for (; i + kLanesOfProduct <= n; i += kLanesOfProduct)
      for (int k = 0; k < kLanesOfProduct; ++k) p[k] *= wide(x[i + k]);
    for (int k = 0; i < n; ++i, ++k) p[k] *= wide(x[i]);
    for (int half = kLanesOfProduct / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) p[k] *= p[k + half];
    *a *= p[0];
  }
  static void columns(const T* x, const ReduceSlab& slab, Accumulator* a) {
    for (int64_t r = 0; r < slab.count; ++r, x += slab.stride)
      for (int64_t c = 0; c < slab.n; ++c) a[c] *= wide(x[c]);
  }
  static void finish(const Accumulator* a, int64_t count, const ReduceFinish&, Result* out,
                     int64_t*) {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (kIsFloat<T>)
        out[i] = static_cast<T>(static_cast<compute_t<T>>(a[i]));
      else
        out[i] = static_cast<int64_t>(a[i]);
    }
  }
};

// 1 where an element is not zero (NaN is not); kAll: where one is zero, and the result is turned round.
template <class T, bool kAll>
struct Any {
  using Element = T;
  using Result = uint8_t;
  using Accumulator = uint64_t;

  static uint64_t start() { return 0; }
  static void merge(uint64_t* into, uint64_t from) { *into |= from; }
  static bool hit(T x) { return (static_cast<compute_t<T>>(x) != 0) != kAll; }
  static void row(const T* x, int64_t n, int64_t, int64_t, uint64_t* a) {
    for (int64_t i = 0; i < n && !*a; i += 1024) {
      const int64_t end = i + 1024 < n ? i + 1024 : n;
      bool found = false;
      for (int64_t j = i; j < end; ++j) found |= hit(x[j]);
      *a |= found;
    }
  }
  static void columns(const T* x, const ReduceSlab& slab, uint64_t* a) {
    for (int64_t r = 0; r < slab.count; ++r, x += slab.stride)
      for (int64_t c = 0; c < slab.n; ++c) a[c] |= hit(x[c]);
  }
  static void finish(const uint64_t* a, int64_t count, const ReduceFinish&, uint8_t* out,
                     int64_t*) {
    for (int64_t i = 0; i < count; ++i) out[i] = (a[i] != 0) != kAll;
  }
};

}  // namespace

ReduceKernel sum_kernel(DType dtype, SumOf what) {
  TG_DISPATCH_ALL(dtype, T, {
    if constexpr (!kIsFloat<T>) {
      return kernel_of<IntegerSum<Stored<T>>>();
    } else {
      switch (what) {
        case SumOf::magnitudes:
          return kernel_of<FloatSum<T, SumOf::magnitudes>>();
        case SumOf::squares:
          return kernel_of<FloatSum<T, SumOf::squares>>();
        case SumOf::nonzeros:
          return kernel_of<FloatSum<T, SumOf::nonzeros>>();
        default:
          return kernel_of<FloatSum<T, SumOf::values>>();
      }
    }
  })
  return {};
}

ReduceKernel prod_kernel(DType dtype) {
  TG_DISPATCH_ALL(dtype, T, return kernel_of<Product<Stored<T>>>())
  return {};
}

ReduceKernel any_kernel(DType dtype, bool all) {
  TG_DISPATCH_ALL(
      dtype, T, return all ? kernel_of<Any<Stored<T>, true>>() : kernel_of<Any<Stored<T>, false>>())
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
