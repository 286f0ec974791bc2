// A tile of distances: some rows of b are packed transposed, so that a vector holds one place of kLanes of them, and each
// register tile of kRows by kVectors vectors subtracts, and adds what the norm says, for all m places. f16 and bf16 are
// computed in f32. Two instructions for each vector and place: differences are exact to the last bit, unlike those of a
// product of the two sets. // (kRows, kVectors kLanes)
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

// packed: (m, kVectors kLanes); a: rows m apart.
template <CdistNorm N, int R, class T, class C>
TG_SIMD void register_tile(const C* a, const C* packed, int64_t m, T* out, int64_t pitch,
                           int64_t columns) {
  constexpr int W = kLanes<C>;
  Vec<C> sums[R][kVectors] = {};
  for (int64_t i = 0; i < m; ++i) {
    Vec<C> b[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) b[v] = load(packed + (i * kVectors + v) * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<C> at = broadcast<C>(a[r * m + i]);
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
      store_narrow<T>(out + r * pitch + v * W,
                      N == CdistNorm::euclid ? root<C>(sums[r][v]) : sums[r][v],
                      left < W ? static_cast<int>(left) : W);
    }
  }
}

template <CdistNorm N, class T>
void tile_of(const CdistTile& t, void* work) {
  using C = compute_t<T>;
  constexpr int64_t kColumns = kVectors * kLanes<C>;
  auto *a = static_cast<const T*>(t.a), *b = static_cast<const T*>(t.b);
  auto* packed = static_cast<C*>(work);
  for (int64_t i = 0; i < t.m; ++i)
    for (int64_t j = 0; j < kColumns; ++j)
      packed[i * kColumns + j] = j < t.columns ? static_cast<C>(b[j * t.m + i]) : C(0);
  const C* rows;
  if constexpr (std::is_same_v<T, C>) {
    rows = a;
  } else {
    C* wide = packed + t.m * kColumns;
    for (int64_t i = 0; i < t.rows * t.m; ++i) wide[i] = static_cast<C>(a[i]);
    rows = wide;
  }
  auto* out = static_cast<T*>(t.out);
  int64_t r = 0;
  for (; r + kRows <= t.rows; r += kRows)
    register_tile<N, kRows, T, C>(rows + r * t.m, packed, t.m, out + r * t.pitch, t.pitch,
                                  t.columns);
  for (; r < t.rows; ++r)
    register_tile<N, 1, T, C>(rows + r * t.m, packed, t.m, out + r * t.pitch, t.pitch, t.columns);
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

// R rows from `row` on: each place adds what its distances pass on with the sign of the difference; 0 where that is 0.
template <int R, class T>
TG_SIMD void slope_rows(const CdistSlopes& s, int64_t row) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  auto* dout = static_cast<const T*>(s.dout) + row * s.columns;
  auto* a = static_cast<const T*>(s.a) + row * s.m;
  auto* out = static_cast<T*>(s.out) + row * s.m;
  for (int64_t i = 0; i < s.m; i += W) {
    const int count = s.m - i < W ? static_cast<int>(s.m - i) : W;
    const T* b = static_cast<const T*>(s.b) + i;
    Vec<C> at[R], sums[R] = {};
    for (int r = 0; r < R; ++r) at[r] = load_wide(a + r * s.m + i, count);
    for (int64_t j = 0; j < s.columns; ++j) {
      const Vec<C> from = load_wide(b + j * s.m, count);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const Vec<C> d = at[r] - from, g = broadcast<C>(static_cast<C>(dout[r * s.columns + j]));
        sums[r] += d > Vec<C>{} ? g : Vec<C>{};
        sums[r] -= d < Vec<C>{} ? g : Vec<C>{};
      }
    }
    for (int r = 0; r < R; ++r) store_narrow<T>(out + r * s.m + i, sums[r], count);
  }
}

template <class T>
void slopes(const CdistSlopes& s) {
  int64_t row = 0;
  for (; row + 4 <= s.rows; row += 4) slope_rows<4, T>(s, row);
  for (; row < s.rows; ++row) slope_rows<1, T>(s, row);
}

}  // namespace

CdistKernels cdist_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T,
                    return (CdistKernels{kVectors * kLanes<compute_t<T>>, tile<T>, slopes<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
