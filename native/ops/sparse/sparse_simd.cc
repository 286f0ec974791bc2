// sparse_dot gathers x by the columns of a row: memory reads 8 bytes a value. sparse_panel keeps up to 4 vectors of sums, one
// lane per row of x, and adds the row of x^T that each value names: 4 loads, from L2 as a rule, and 4 multiply-adds a value.
#include "ops/sparse/sparse_simd.h"

#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"

#define TG_INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kMostVectors = 4;

template <class T>
TG_SIMD T bias_of(const SparseRows& w, int64_t n) {
  return w.bias == nullptr ? T{} : static_cast<const T*>(w.bias)[n];
}

// The columns as unsigned numbers: negative ones are beyond k as well.
template <class T>
bool dot_each(const SparseRows& w, const T* x, T* y) {
  const auto last = static_cast<uint32_t>(w.k - 1);
  uint32_t most = 0;
  for (int64_t n = 0; n < w.rows; ++n) {
    T sum[4] = {};
    const int32_t begin = w.row_start[n], end = w.row_start[n + 1];
    for (int32_t i = begin; i < end; ++i) {
      const auto column = static_cast<uint32_t>(w.column[i]);
      most = column > most ? column : most;
      sum[(i - begin) % 4] += static_cast<const T*>(w.value)[i] * x[column < last ? column : last];
    }
    y[n] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + bias_of<T>(w, n);
  }
  return most <= last;
}

#if defined(__AVX2__)
typedef float EightF32 __attribute__((vector_size(32)));

// 8 values: their columns as unsigned numbers, and x there. Gathers of 16 take twice as long, and rests cost more.
struct Gather {
  const SparseRows& w;
  const float* x;
  const __m256i last = _mm256_set1_epi32(static_cast<int>(w.k - 1));
  __m256i most = _mm256_setzero_si256();

  TG_INLINE EightF32 products(__m256i column, __m256 value, __m256i mask) {
    most = _mm256_max_epu32(most, column);
    const __m256i safe = _mm256_min_epu32(column, last);
    const __m256 from = _mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, safe, (__m256)mask, 4);
    return (EightF32)value * (EightF32)from;
  }
  TG_INLINE EightF32 whole(int32_t i) {
    const auto* column = reinterpret_cast<const __m256i*>(w.column + i);
    return products(_mm256_loadu_si256(column),
                    _mm256_loadu_ps(static_cast<const float*>(w.value) + i), _mm256_set1_epi32(-1));
  }
  TG_INLINE EightF32 first(int32_t i, int count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
    return products(_mm256_maskload_epi32(w.column + i, mask),
                    _mm256_maskload_ps(static_cast<const float*>(w.value) + i, mask), mask);
  }
};

TG_SIMD float sum_eight(EightF32 v) {
  typedef float FourF32 __attribute__((vector_size(16)));
  const FourF32 four =
      (FourF32)_mm256_castps256_ps128((__m256)v) + (FourF32)_mm256_extractf128_ps((__m256)v, 1);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// Whole groups need no mask that depends on the row: a quarter faster than masks everywhere.
bool dot_f32(const SparseRows& w, const float* x, float* y) {
  Gather gather = {w, x};
  for (int64_t n = 0; n < w.rows; ++n) {
    EightF32 sum[2] = {};
    const int32_t end = w.row_start[n + 1];
    int32_t i = w.row_start[n];
    for (; i + 16 <= end; i += 16) {
      sum[0] += gather.whole(i);
      sum[1] += gather.whole(i + 8);
    }
    if (i + 8 <= end) sum[0] += gather.whole(i), i += 8;
    if (i < end) sum[1] += gather.first(i, end - i);
    y[n] = sum_eight(sum[0] + sum[1]) + bias_of<float>(w, n);
  }
  const __m256i beyond =
      _mm256_cmpeq_epi32(_mm256_max_epu32(gather.most, gather.last), gather.last);
  return _mm256_movemask_epi8(beyond) == -1;
}
#else
bool dot_f32(const SparseRows& w, const float* x, float* y) { return dot_each<float>(w, x, y); }
#endif

template <class T, int NV>
bool panel(const SparseRows& w, const T* x, T* y) {
  constexpr int W = kLanes<T>;
  constexpr int64_t kColumns = NV * W;
  const auto last = static_cast<uint32_t>(w.k - 1);
  const auto* value = static_cast<const T*>(w.value);
  uint32_t most = 0;
  for (int64_t n = 0; n < w.rows; ++n) {
    Vec<T> sum[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) sum[v] = broadcast<T>(bias_of<T>(w, n));
    const int32_t end = w.row_start[n + 1];
    for (int32_t i = w.row_start[n]; i < end; ++i) {
      const auto column = static_cast<uint32_t>(w.column[i]);
      most = column > most ? column : most;
      const T* from = x + static_cast<int64_t>(column < last ? column : last) * kColumns;
      const Vec<T> factor = broadcast<T>(value[i]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) sum[v] += factor * load<T>(from + v * W);
    }
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) store<T>(y + n * kColumns + v * W, sum[v]);
  }
  return most <= last;
}

template <class T>
bool panel(const SparseRows& w, const void* x, int columns, void* y) {
  const auto* from = static_cast<const T*>(x);
  auto* to = static_cast<T*>(y);
  if (columns == kLanes<T>) return panel<T, 1>(w, from, to);
  if (columns == 2 * kLanes<T>) return panel<T, 2>(w, from, to);
  return panel<T, kMostVectors>(w, from, to);
}

template <class T>
int columns_for(int64_t rows) {
  constexpr int W = kLanes<T>;
  return rows <= W ? W : rows <= 2 * W ? 2 * W : kMostVectors * W;
}

template <class T>
void transpose_all(const SparseTranspose& t) {
  constexpr int W = kLanes<T>;
  const auto first = [](int64_t n) { return static_cast<int>(n < W ? n : W); };
  for (int64_t j = 0; j < t.columns; j += W) {
    const int deep = first(t.columns - j);
    for (int64_t i = 0; i < t.width; i += W) {
      const int wide = first(t.width - i);
      const T* in = static_cast<const T*>(t.in) + i * t.in_row + j;
      T* out = static_cast<T*>(t.out) + j * t.out_row + i;
      Vec<T> v[W];
#pragma GCC unroll 16
      for (int l = 0; l < W; ++l) {
        v[l] = Vec<T>{};
        if (i + l >= t.rows) continue;
        v[l] = deep == W ? load<T>(in + l * t.in_row) : load_partial<T>(in + l * t.in_row, deep);
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int l = 0; l < W; ++l) {
        if (l >= deep) break;
        if (wide == W) {
          store<T>(out + l * t.out_row, v[l]);
        } else {
          store_partial<T>(out + l * t.out_row, v[l], wide);
        }
      }
    }
  }
}

}  // namespace

bool sparse_dot(DType dtype, const SparseRows& w, const void* x, void* y) {
  if (dtype == DType::f32) return dot_f32(w, static_cast<const float*>(x), static_cast<float*>(y));
  return dot_each<double>(w, static_cast<const double*>(x), static_cast<double*>(y));
}

int sparse_columns(DType dtype, int64_t rows) {
  return dtype == DType::f32 ? columns_for<float>(rows) : columns_for<double>(rows);
}

bool sparse_panel(DType dtype, const SparseRows& w, const void* x, int columns, void* y) {
  return dtype == DType::f32 ? panel<float>(w, x, columns, y) : panel<double>(w, x, columns, y);
}

void sparse_transpose(DType dtype, const SparseTranspose& t) {
  dtype == DType::f32 ? transpose_all<float>(t) : transpose_all<double>(t);
}

}  // namespace tilegrad::TILEGRAD_ISA
