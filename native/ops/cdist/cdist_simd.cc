// A tile of distances: some rows of b are packed transposed, so that a vector holds one place of kLanes of them, and each
// register tile of kRows by kVectors vectors subtracts, and adds what the norm says, for all m places. f16 and bf16 are
// computed in f32. Two instructions for each vector and place: differences are exact to the last bit, unlike those of a
// product of the two sets. Long rows go block by block, whose sums are added up beside: an f32 that has counted to 2^24 sees
// no further places. // (kRows, kVectors kLanes)
#include "ops/cdist/cdist_simd.h"

#include "core/cpu/simd_rows.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int kVectors = kVectorBytes == 64 ? 4 : 2;
constexpr int kRows = kVectorBytes == 64 ? 6 : 4;

template <CdistNorm N, class C>
TG_SIMD Vec<C> joined(Vec<C> sum, Vec<C> d) {
  if constexpr (N == CdistNorm::euclid) return sum + d * d;
  const Vec<C> size = d < Vec<C>{} ? -d : d;
  if constexpr (N == CdistNorm::sum) return sum + size;
  return max_nan<C>(size, sum);
}

template <class C>
TG_SIMD Vec<C> root(Vec<C> v) {
#if defined(TILEGRAD_ISA_AVX512)
  // The forms with a mask, since GCC 12 warns of the others' own undefined operand.
  if constexpr (sizeof(C) == 4)
    return (Vec<C>)_mm512_maskz_sqrt_ps(0xffff, (__m512)v);
  else
    return (Vec<C>)_mm512_maskz_sqrt_pd(0xff, (__m512d)v);
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(C) == 4)
    return (Vec<C>)_mm256_sqrt_ps((__m256)v);
  else
    return (Vec<C>)_mm256_sqrt_pd((__m256d)v);
#else
  for (int i = 0; i < kLanes<C>; ++i) v[i] = math::sqrt(v[i]);
  return v;
#endif
}

// A block of places. packed: (m, kVectors kLanes); a: rows a_pitch apart. total: (R, kVectors kLanes), what blocks before
// have given, or null for a single block; out is null but for the last.
template <CdistNorm N, int R, class T, class C>
TG_SIMD void register_tile(const C* a, int64_t a_pitch, const C* packed, int64_t m, C* total,
                           T* out, int64_t pitch, int64_t columns) {
  constexpr int W = kLanes<C>;
  Vec<C> sums[R][kVectors] = {};
  for (int64_t i = 0; i < m; ++i) {
    Vec<C> b[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) b[v] = load(packed + (i * kVectors + v) * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<C> at = broadcast<C>(a[r * a_pitch + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = joined<N, C>(sums[r][v], b[v] - at);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = columns - v * W;
      if (left <= 0) break;
      if (total) {
        C* of = total + (r * kVectors + v) * W;
        sums[r][v] =
            N == CdistNorm::most ? max_nan<C>(sums[r][v], load(of)) : sums[r][v] + load(of);
        store<C>(of, sums[r][v]);
        if (!out) continue;
      }
      store_narrow<T>(out + r * pitch + v * W,
                      N == CdistNorm::euclid ? root<C>(sums[r][v]) : sums[r][v],
                      left < W ? static_cast<int>(left) : W);
    }
  }
}

// Places [first, first + m) of all rows.
template <CdistNorm N, class T>
TG_SIMD void block_of(const CdistTile& t, int64_t first, int64_t m, compute_t<T>* total,
                      compute_t<T>* packed) {
  using C = compute_t<T>;
  constexpr int64_t kColumns = kVectors * kLanes<C>;
  const T *a = static_cast<const T*>(t.a) + first, *b = static_cast<const T*>(t.b) + first;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < kColumns; ++j)
      packed[i * kColumns + j] = j < t.columns ? static_cast<C>(b[j * t.m + i]) : C(0);
  const C* rows;
  int64_t pitch = t.m;
  if constexpr (std::is_same_v<T, C>) {
    rows = a;
  } else {
    C* wide = packed + m * kColumns;
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t i = 0; i < m; ++i) wide[r * m + i] = static_cast<C>(a[r * t.m + i]);
    rows = wide, pitch = m;
  }
  auto* out = static_cast<T*>(first + m == t.m ? t.out : nullptr);
  const auto at = [&](int64_t r) __attribute__((always_inline)) {
    return out ? out + r * t.pitch : nullptr;
  };
  const auto total_of = [&](int64_t r) __attribute__((always_inline)) {
    return total ? total + r * kColumns : nullptr;
  };
  int64_t r = 0;
  for (; r + kRows <= t.rows; r += kRows)
    register_tile<N, kRows, T, C>(rows + r * pitch, pitch, packed, m, total_of(r), at(r), t.pitch,
                                  t.columns);
  for (; r < t.rows; ++r)
    register_tile<N, 1, T, C>(rows + r * pitch, pitch, packed, m, total_of(r), at(r), t.pitch,
                              t.columns);
}

template <CdistNorm N, class T>
void tile_of(const CdistTile& t, void* work) {
  using C = compute_t<T>;
  auto* packed = static_cast<C*>(work);
  if (t.m <= kCdistPlaces) return block_of<N, T>(t, 0, t.m, nullptr, packed);
  const int64_t sums = t.rows * kVectors * kLanes<C>;
  C* total = packed;
  packed += sums;
  for (int64_t i = 0; i < sums; ++i) total[i] = C(0);
  for (int64_t i = 0; i < t.m; i += kCdistPlaces)
    block_of<N, T>(t, i, t.m - i < kCdistPlaces ? t.m - i : kCdistPlaces, total, packed);
}

template <class T>
void tile(const CdistTile& t, void* work) {
  switch (t.norm) {
    case CdistNorm::sum:
      return tile_of<CdistNorm::sum, T>(t, work);
    case CdistNorm::euclid:
      return tile_of<CdistNorm::euclid, T>(t, work);
    case CdistNorm::most:
      return tile_of<CdistNorm::most, T>(t, work);
  }
}

// As the distances of T were rounded.
template <class T>
TG_SIMD Wide<T> as_stored(Wide<T> v) {
  if constexpr (std::is_same_v<T, compute_t<T>>)
    return v;
  else
    return widen_bits(narrow_bits(v, T{}), T{});
}

// What a place with the difference d gets from the gradient g of a distance y, g being g / y for the euclidean norm.
template <CdistNorm N, class T, class C>
TG_SIMD Vec<C> slope(Vec<C> d, Vec<C> g, Vec<C> y) {
  if constexpr (N == CdistNorm::euclid) return g * d;
  const Vec<C> zero = {}, up = d > zero ? g : zero, down = d < zero ? g : zero;
  if constexpr (N == CdistNorm::sum) return up - down;
  return as_stored<T>(d < zero ? -d : d) == y ? up - down : zero;
}

// R rows from `row` on: each place adds what its distances pass on.
template <CdistNorm N, int R, class T>
TG_SIMD void slope_rows(const CdistSlopes& s, int64_t row) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  auto *dout = static_cast<const T*>(s.dout) + row * s.columns, *y = static_cast<const T*>(s.y);
  auto* a = static_cast<const T*>(s.a) + row * s.m;
  auto* out = static_cast<T*>(s.out) + row * s.m;
  if constexpr (N != CdistNorm::sum) y += row * s.columns;
  for (int64_t i = 0; i < s.m; i += W) {
    const int count = s.m - i < W ? static_cast<int>(s.m - i) : W;
    const T* b = static_cast<const T*>(s.b) + i;
    Vec<C> at[R], sums[R] = {};
    for (int r = 0; r < R; ++r) at[r] = load_wide(a + r * s.m + i, count);
    for (int64_t first = 0; first < s.columns; first += kColumnRun) {
      const int64_t last = s.columns - first < kColumnRun ? s.columns : first + kColumnRun;
      Vec<C> run[R] = {};
      for (int64_t j = first; j < last; ++j) {
        const Vec<C> from = load_wide(b + j * s.m, count);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          C g = static_cast<C>(dout[r * s.columns + j]), size = C(0);
          if constexpr (N != CdistNorm::sum) size = static_cast<C>(y[r * s.columns + j]);
          if constexpr (N == CdistNorm::euclid) g = size == C(0) ? C(0) : g / size;
          run[r] += slope<N, T, C>(at[r] - from, broadcast<C>(g), broadcast<C>(size));
        }
      }
      for (int r = 0; r < R; ++r) sums[r] += run[r];
    }
    for (int r = 0; r < R; ++r) store_narrow<T>(out + r * s.m + i, sums[r], count);
  }
}

template <CdistNorm N, class T>
void slopes_of(const CdistSlopes& s) {
  int64_t row = 0;
  for (; row + 4 <= s.rows; row += 4) slope_rows<N, 4, T>(s, row);
  for (; row < s.rows; ++row) slope_rows<N, 1, T>(s, row);
}

template <class T>
void slopes(const CdistSlopes& s) {
  switch (s.norm) {
    case CdistNorm::sum:
      return slopes_of<CdistNorm::sum, T>(s);
    case CdistNorm::euclid:
      return slopes_of<CdistNorm::euclid, T>(s);
    case CdistNorm::most:
      return slopes_of<CdistNorm::most, T>(s);
  }
}

}  // namespace

CdistKernels cdist_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T,
                    return (CdistKernels{kVectors * kLanes<compute_t<T>>, tile<T>, slopes<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
