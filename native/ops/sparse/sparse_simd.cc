// sparse_dot gathers x by the columns of a row: memory reads 8 bytes a value. sparse_panel keeps 4 vectors of sums, one lane
// per row of x, and adds the row of x^T that each value names: 4 loads and 4 multiply-adds a value.
#include "ops/sparse/sparse_simd.h"

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kVectors = 4;

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

#if defined(TILEGRAD_ISA_AVX512)
bool dot_f32(const SparseRows& w, const float* x, float* y) {
  const __m512i last = _mm512_set1_epi32(static_cast<int>(w.k - 1));
  __m512i most = _mm512_setzero_si512();
  const auto* value = static_cast<const float*>(w.value);
  for (int64_t n = 0; n < w.rows; ++n) {
    VecF32 sum[2] = {};
    const int32_t end = w.row_start[n + 1];
    for (int32_t i = w.row_start[n]; i < end; i += 16) {
      const auto mask = static_cast<__mmask16>(end - i >= 16 ? 0xffff : (1u << (end - i)) - 1);
      const __m512i column = _mm512_maskz_loadu_epi32(mask, w.column + i);
      most = _mm512_maskz_max_epu32(0xffff, most, column);
      const __m512i safe = _mm512_maskz_min_epu32(0xffff, column, last);
      const __m512 from = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, safe, x, 4);
      const VecF32 v = (VecF32)_mm512_maskz_loadu_ps(mask, value + i);
      sum[i / 16 % 2] += v * (VecF32)from;
    }
    y[n] = sum_lanes<float>(sum[0] + sum[1]) + bias_of<float>(w, n);
  }
  return _mm512_cmpgt_epu32_mask(most, last) == 0;
}
#elif defined(TILEGRAD_ISA_AVX2)
bool dot_f32(const SparseRows& w, const float* x, float* y) {
  const __m256i last = _mm256_set1_epi32(static_cast<int>(w.k - 1));
  __m256i most = _mm256_setzero_si256();
  const auto* value = static_cast<const float*>(w.value);
  for (int64_t n = 0; n < w.rows; ++n) {
    VecF32 sum = {};
    const int32_t end = w.row_start[n + 1];
    for (int32_t i = w.row_start[n]; i < end; i += 8) {
      const int left = end - i < 8 ? end - i : 8;
      const VecI32 mask = VecI32{0, 1, 2, 3, 4, 5, 6, 7} < broadcast<int32_t>(left);
      const __m256i column = _mm256_maskload_epi32(w.column + i, (__m256i)mask);
      most = _mm256_max_epu32(most, column);
      const __m256i safe = _mm256_min_epu32(column, last);
      const __m256 from = _mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, safe, (__m256)mask, 4);
      sum += (VecF32)_mm256_maskload_ps(value + i, (__m256i)mask) * (VecF32)from;
    }
    y[n] = sum_lanes<float>(sum) + bias_of<float>(w, n);
  }
  const __m256i beyond = _mm256_cmpeq_epi32(_mm256_max_epu32(most, last), last);
  return _mm256_movemask_epi8(beyond) == -1;
}
#else
bool dot_f32(const SparseRows& w, const float* x, float* y) { return dot_each<float>(w, x, y); }
#endif

template <class T>
bool panel(const SparseRows& w, const T* x, T* y) {
  constexpr int W = kLanes<T>;
  constexpr int64_t kColumns = kVectors * W;
  const auto last = static_cast<uint32_t>(w.k - 1);
  const auto* value = static_cast<const T*>(w.value);
  uint32_t most = 0;
  for (int64_t n = 0; n < w.rows; ++n) {
    Vec<T> sum[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = broadcast<T>(bias_of<T>(w, n));
    const int32_t end = w.row_start[n + 1];
    for (int32_t i = w.row_start[n]; i < end; ++i) {
      const auto column = static_cast<uint32_t>(w.column[i]);
      most = column > most ? column : most;
      const T* from = x + static_cast<int64_t>(column < last ? column : last) * kColumns;
      const Vec<T> factor = broadcast<T>(value[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[v] += factor * load<T>(from + v * W);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store<T>(y + n * kColumns + v * W, sum[v]);
  }
  return most <= last;
}

}  // namespace

bool sparse_dot(DType dtype, const SparseRows& w, const void* x, void* y) {
  if (dtype == DType::f32) return dot_f32(w, static_cast<const float*>(x), static_cast<float*>(y));
  return dot_each<double>(w, static_cast<const double*>(x), static_cast<double*>(y));
}

int sparse_columns(DType dtype) {
  return kVectors * (dtype == DType::f32 ? kLanes<float> : kLanes<double>);
}

bool sparse_panel(DType dtype, const SparseRows& w, const void* x, void* y) {
  if (dtype == DType::f32) return panel(w, static_cast<const float*>(x), static_cast<float*>(y));
  return panel(w, static_cast<const double*>(x), static_cast<double*>(y));
}

}  // namespace tilegrad::TILEGRAD_ISA
