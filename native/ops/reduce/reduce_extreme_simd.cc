// Largest and smallest values, alone or with the place of the first one. NaN counts as the most
// extreme. Places: the value of a row is found first, then its place is searched from the front; for
// columns a vector of row numbers follows the vector of values.
#include "ops/reduce/reduce_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class C, bool kSmallest>
constexpr C kLeastExtreme = kIsFloat<C>
                                ? static_cast<C>(kSmallest ? __builtin_inf() : -__builtin_inf())
                            : std::is_signed_v<C>
                                ? static_cast<C>(kSmallest ? ~(uint64_t{1} << (8 * sizeof(C) - 1))
                                                           : uint64_t{1} << (8 * sizeof(C) - 1))
                                : static_cast<C>(kSmallest ? ~uint64_t{0} : 0);

template <bool kSmallest, class C>
TG_SIMD C more_extreme(C a, C b) {
  if (a != a) return a;
  return (kSmallest ? a < b : a > b) ? a : b;
}

template <bool kSmallest, class C>
TG_SIMD Vec<C> more_extreme_lanes(Vec<C> a, Vec<C> b) {
  return kSmallest ? min_nan<C>(a, b) : max_nan<C>(a, b);
}

template <class T, bool kSmallest>
TG_SIMD compute_t<T> extreme_of_row(const T* x, int64_t n) {
  using C = compute_t<T>;
  C least = kLeastExtreme<C, kSmallest>;
  if (!kIsFloat<T> || n < 16) {
    for (int64_t i = 0; i < n; ++i) least = more_extreme<kSmallest>(static_cast<C>(x[i]), least);
    return least;
  }
  if constexpr (kIsFloat<T>) {
    const Vec<C> rest = broadcast<C>(least);
    Vec<C> m[4] = {rest, rest, rest, rest};
    for_each_vector<C>(
        n, [&](int64_t i, int k, int count) __attribute__((always_inline)) {
          m[k] = more_extreme_lanes<kSmallest, C>(
              m[k], first_lanes<C>(load_wide(x + i, count), count, rest));
        });
    const auto combine = [](Vec<C> a, Vec<C> b) __attribute__((always_inline)) {
      return more_extreme_lanes<kSmallest, C>(a, b);
    };
    least = fold_lanes<C>(combine(combine(m[0], m[1]), combine(m[2], m[3])), combine)[0];
  }
  return least;
}

template <class T, bool kSmallest>
struct Extreme {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  struct alignas(8) Accumulator {
    C value;
  };

  static Accumulator start() { return {kLeastExtreme<C, kSmallest>}; }
  static void merge(Accumulator* into, Accumulator from) {
    into->value = more_extreme<kSmallest>(into->value, from.value);
  }
  static void row(const T* x, int64_t n, int64_t, int64_t, Accumulator* a) {
    merge(a, {extreme_of_row<T, kSmallest>(x, n)});
  }
  static void columns(const T* x, const ReduceSlab& slab, Accumulator* a) {
    constexpr int64_t kBlock = 512;
    alignas(64) C best[kBlock];
    for (int64_t c = 0; c < slab.n; c += kBlock) {
      const int64_t n = slab.n - c < kBlock ? slab.n - c : kBlock;
      const T* from = x + c;
      for (int64_t i = 0; i < kBlock; ++i) best[i] = kLeastExtreme<C, kSmallest>;
      for (int64_t r = 0; r < slab.count; ++r, from += slab.stride) take(from, n, best);
      for (int64_t i = 0; i < n; ++i) merge(&a[c + i], {best[i]});
    }
  }
  TG_SIMD void take(const T* x, int64_t n, C* best) {
    if constexpr (kIsFloat<T>) {
      constexpr int W = kWide<T>;
      for (int64_t i = 0; i < n; i += W) {
        const int count = n - i < W ? static_cast<int>(n - i) : W;
        store_narrow<C>(best + i, more_extreme_lanes<kSmallest, C>(load_wide<C>(best + i),
                                                                   load_wide(x + i, count)));
      }
    } else {
      for (int64_t i = 0; i < n; ++i) best[i] = more_extreme<kSmallest>(x[i], best[i]);
    }
  }
  static void finish(const Accumulator* a, int64_t count, const ReduceFinish&, T* out, int64_t*) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(a[i].value);
  }
};

template <class C>
struct Place {
  alignas(8) C value;
  int64_t index;  // -1: nothing taken in
};

template <class T, bool kSmallest>
struct ExtremeIndex {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  using Accumulator = Place<C>;

  static Accumulator start() { return {C{}, -1}; }
  static void merge(Accumulator* into, const Accumulator& from) {
    if (from.index < 0) return;
    const bool from_nan = from.value != from.value, into_nan = into->value != into->value;
    const bool same = (from_nan & into_nan) | (from.value == into->value);
    const bool better = from_nan != into_nan ? from_nan
                        : same               ? from.index < into->index
                        : kSmallest          ? from.value < into->value
                                             : from.value > into->value;
    if (into->index < 0 || better) *into = from;
  }
  static void row(const T* x, int64_t n, int64_t index, int64_t step, Accumulator* a) {
    const C value = extreme_of_row<T, kSmallest>(x, n);
    merge(a, {value, index + step * find(x, n, value)});
  }
  TG_SIMD bool is(T x, C value) {
    const C c = static_cast<C>(x);
    return (c == value) | ((c != c) & (value != value));
  }
  // It is there: n >= 1.
  static int64_t find(const T* x, int64_t n, C value) {
    int64_t i = 0;
    if constexpr (kIsFloat<T>) {
      constexpr int W = kWide<T>;
      const Vec<C> wanted = broadcast<C>(value);
      for (; i + 4 * W <= n; i += 4 * W) {
        Mask<C> hit = {};
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          const Vec<C> v = load_wide(x + i + k * W);
          hit |= (v == wanted) | ((v != v) & (wanted != wanted));
        }
        if (any_lane(hit)) break;
      }
    }
    while (!is(x[i], value)) ++i;
    return i;
  }
  template <class M>
  TG_SIMD bool any_lane(M mask) {
    uint64_t words[sizeof(M) / 8], all = 0;
    __builtin_memcpy(words, &mask, sizeof mask);
    for (uint64_t word : words) all |= word;
    return all != 0;
  }

  static constexpr int64_t kBlock = 512;
  static void columns(const T* x, const ReduceSlab& slab, Accumulator* a) {
    constexpr int64_t kRows = int64_t{1} << 30;  // row numbers fit into 32 bits
    for (int64_t first = 0; first < slab.count; first += kRows) {
      const int64_t rows = slab.count - first < kRows ? slab.count - first : kRows;
      for (int64_t c = 0; c < slab.n; c += kBlock) {
        const int64_t n = slab.n - c < kBlock ? slab.n - c : kBlock;
        block(x + first * slab.stride + c, rows, slab.stride, n, slab.index + first * slab.step,
              slab.step, a + c);
      }
    }
  }
  static void block(const T* x, int64_t rows, int64_t stride, int64_t n, int64_t index,
                    int64_t step, Accumulator* a) {
    if constexpr (kIsFloat<T>) {
      constexpr int W = kWide<T>;
      using Row = std::remove_reference_t<decltype(Mask<C>{}[0])>;
      Vec<C> best[kBlock / W];
      Mask<C> at[kBlock / W];
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < n; c += W) {
          const Vec<C> v = load_wide(x + r * stride + c, n - c < W ? static_cast<int>(n - c) : W);
          const Vec<C> b = r == 0 ? v : best[c / W];
          const Mask<C> better = (kSmallest ? v < b : v > b) | ((v != v) & (b == b));
          best[c / W] = better ? v : b;
          at[c / W] = better ? static_cast<Row>(r) - Mask<C>{} : r == 0 ? Mask<C>{} : at[c / W];
        }
      for (int64_t c = 0; c < n; ++c)
        merge(&a[c], {best[c / W][c % W], index + step * at[c / W][c % W]});
    } else {
      T best[kBlock];
      int32_t at[kBlock] = {};
      for (int64_t c = 0; c < n; ++c) best[c] = x[c];
      for (int64_t r = 1; r < rows; ++r)
        for (int64_t c = 0; c < n; ++c) {
          const T v = x[r * stride + c];
          const bool better = kSmallest ? v < best[c] : v > best[c];
          best[c] = better ? v : best[c];
          at[c] = better ? static_cast<int32_t>(r) : at[c];
        }
      for (int64_t c = 0; c < n; ++c) merge(&a[c], {best[c], index + step * at[c]});
    }
  }
  static void finish(const Accumulator* a, int64_t count, const ReduceFinish&, T* out,
                     int64_t* indices) {
    for (int64_t i = 0; out && i < count; ++i) out[i] = static_cast<T>(a[i].value);
    for (int64_t i = 0; i < count; ++i) indices[i] = a[i].index;
  }
};

}  // namespace

ReduceKernel extreme_kernel(DType dtype, bool smallest) {
  TG_DISPATCH_ALL(dtype, T,
                  return smallest ? kernel_of<Extreme<Stored<T>, true>>()
                                  : kernel_of<Extreme<Stored<T>, false>>())
  return {};
}

ReduceKernel extreme_index_kernel(DType dtype, bool smallest) {
  TG_DISPATCH_ALL(dtype, T,
                  return smallest ? kernel_of<ExtremeIndex<Stored<T>, true>>()
                                  : kernel_of<ExtremeIndex<Stored<T>, false>>())
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
