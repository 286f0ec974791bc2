// One pass over a finished tile while it is in the cache: reads 4 bytes and writes 1 or 4 an element.
#include <type_traits>

#include "core/cpu/int8_epilogue.h"
#include "core/cpu/simd.h"

#define TG_INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int W = kLanes<int32_t>;

// Along one row: what is per row or for all is in `all`, what is per column is read.
template <class T>
struct RowValue {
  const T* columns;  // or null
  T all;
};

template <class T>
TG_SIMD RowValue<T> row_value(const PerAxis<T>& v, int64_t row, int64_t col, T absent) {
  if (v.data == nullptr) return {nullptr, absent};
  if (v.col != 0) return {v.data + v.row * row + col, T{}};
  return {nullptr, v.data[v.row * row]};
}

template <class T>
TG_SIMD Vec<T> read(const RowValue<T>& v, int64_t j, int n) {
  if (v.columns == nullptr) return broadcast<T>(v.all);
  return n == W ? load<T>(v.columns + j) : load_partial<T>(v.columns + j, n);
}

struct Row {
  RowValue<int32_t> b_zero, bias_i32;
  RowValue<float> scale, bias_f32;
  int32_t a_zero, a_sum;
};

// The held values are a + a_shift and b - b_shift; so are the zero points.
TG_SIMD VecU32 integer_sum(const Int8Epilogue& e, const Row& row, const Int8Tile& t,
                           const int32_t* c, int64_t j, int n) {
  const auto take = [&](const int32_t* p) __attribute__((always_inline)) {
    return (VecU32)(n == W ? load<int32_t>(p + j) : load_partial<int32_t>(p + j, n));
  };
  const uint32_t a_zero = static_cast<uint32_t>(row.a_zero) + static_cast<uint32_t>(t.a_shift);
  const VecU32 b_zero = (VecU32)read<int32_t>(row.b_zero, j, n) - static_cast<uint32_t>(t.b_shift);
  const uint32_t a_rest = static_cast<uint32_t>(row.a_sum) - static_cast<uint32_t>(e.k) * a_zero;
  const VecU32 shift = b_zero * a_rest - (VecU32)read<int32_t>(row.bias_i32, j, n);
  return take(c) - (t.b_sums ? take(t.b_sums) * a_zero : VecU32{}) - shift;
}

// What becomes of y on its way to an output of that type.
template <class Out>
struct Target {
  VecF32 least, most;
  VecI32 zero;

  TG_INLINE explicit Target(const Int8Epilogue& e) {
    const float infinity = __builtin_inff();
    const bool bytes = sizeof(Out) == 1;
    const float low = bytes ? static_cast<float>(e.low - e.out_zero) : -infinity;
    least = broadcast<float>(e.relu && low < 0 ? 0.0f : low);
    most = broadcast<float>(bytes ? static_cast<float>(e.high - e.out_zero) : infinity);
    zero = broadcast<int32_t>(e.out_zero - 0x4b400000);
  }

  // Round half to even: adding 1.5 * 2^23 leaves the integer in the low bits of what is within 2^22; NaN becomes 0.
  TG_INLINE VecI32 rounded(VecF32 y) const {
#if defined(TILEGRAD_ISA_AVX512)
    const __mmask16 numbers = _mm512_cmp_ps_mask((__m512)y, (__m512)y, _CMP_ORD_Q);
    y = (VecF32)_mm512_maskz_max_ps(numbers, (__m512)y, (__m512)least);
    y = (VecF32)_mm512_maskz_min_ps(0xffff, (__m512)y, (__m512)most);
#elif defined(TILEGRAD_ISA_AVX2)
    const __m256 numbers = _mm256_cmp_ps((__m256)y, (__m256)y, _CMP_ORD_Q);
    y = (VecF32)_mm256_max_ps(_mm256_and_ps(numbers, (__m256)y), (__m256)least);
    y = (VecF32)_mm256_min_ps((__m256)y, (__m256)most);
#else
    y = y != y ? VecF32{} : y;
    y = y < least ? least : y;
    y = y > most ? most : y;
#endif
    return (VecI32)(y + 12582912.0f) + zero;
  }
};

template <class Byte>
TG_SIMD void store_bytes(Byte* out, VecI32 v, int n) {
  typedef Byte Bytes __attribute__((vector_size(W)));
#if defined(TILEGRAD_ISA_AVX512)
  if (n != W) {
    const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)v);
    return _mm_mask_storeu_epi8(out, static_cast<__mmask16>((1u << n) - 1), bytes);
  }
#endif
#if defined(TILEGRAD_ISA_AVX2)
  const __m256i wide = (__m256i)v;
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  const bool is_signed = static_cast<Byte>(-1) < 0;
  const Bytes bytes = (Bytes)_mm_cvtsi128_si64(is_signed ? _mm_packs_epi16(words, words)
                                                         : _mm_packus_epi16(words, words));
#else
  const Bytes bytes = __builtin_convertvector(v, Bytes);
#endif
  if (n == W) {
    __builtin_memcpy(out, &bytes, W);
  } else {
    for (int i = 0; i < n; ++i) out[i] = bytes[i];
  }
}

template <class Out>
TG_SIMD void put(const Target<Out>& target, Out* out, VecU32 sum, VecF32 scale, VecF32 bias,
                 int n) {
  if constexpr (std::is_same_v<Out, int32_t>) {
    n == W ? store<int32_t>(out, (VecI32)sum) : store_partial<int32_t>(out, (VecI32)sum, n);
  } else {
    VecF32 y = __builtin_convertvector((VecI32)sum, VecF32) * scale + bias;
    if constexpr (sizeof(Out) == 1) return store_bytes<Out>(out, target.rounded(y), n);
    y = y < target.least ? target.least : y;
    if constexpr (sizeof(Out) == 4)
      n == W ? store<float>(reinterpret_cast<float*>(out), y)
             : store_partial<float>(reinterpret_cast<float*>(out), y, n);
  }
}

template <class Out>
TG_SIMD Out* row_of(const Int8Epilogue& e, const Int8Tile& t, int64_t i) {
  return static_cast<Out*>(e.out) + (t.row + i) * e.out_row + t.col;
}

TG_SIMD Row row_values(const Int8Epilogue& e, const Int8Tile& t, int64_t i) {
  const int64_t row = t.row + i;
  return {
      row_value<int32_t>(e.b_zero, row, t.col, 0), row_value<int32_t>(e.bias_i32, row, t.col, 0),
      row_value<float>(e.scale, row, t.col, 1.0f), row_value<float>(e.bias_f32, row, t.col, 0.0f),
      row_value<int32_t>(e.a_zero, row, 0, 0).all, t.a_sums ? t.a_sums[i] : 0};
}

// Anything may be per row or per column.
template <class Out>
void finish_each(const Int8Epilogue& e, const Int8Tile& t) {
  const Target<Out> target(e);
  for (int64_t i = 0; i < t.rows; ++i) {
    const Row row = row_values(e, t, i);
    const int32_t* c = t.c + i * t.c_row;
    for (int64_t j = 0; j < t.cols; j += W) {
      const int n = static_cast<int>(t.cols - j < W ? t.cols - j : W);
      put<Out>(target, row_of<Out>(e, t, i) + j, integer_sum(e, row, t, c, j, n),
               read<float>(row.scale, j, n), read<float>(row.bias_f32, j, n), n);
    }
  }
}

// -b_zero times the sum of (a - a_zero): what a zero point of B that is not per column takes from the sums of row i.
TG_SIMD uint32_t row_shift(const Int8Epilogue& e, const Int8Tile& t, const Row& row) {
  const uint32_t b_zero = static_cast<uint32_t>(row.b_zero.all) - static_cast<uint32_t>(t.b_shift);
  const uint32_t a_zero = static_cast<uint32_t>(row.a_zero) + static_cast<uint32_t>(t.a_shift);
  return 0u - b_zero * (static_cast<uint32_t>(row.a_sum) - static_cast<uint32_t>(e.k) * a_zero);
}

// Nothing is per column, and A has no zero point: out = (c + shift) scale + bias along a row. Where columns lie in runs, the last
// vector of one writes into the next one, which follows.
template <class Out>
void finish_rows(const Int8Epilogue& e, const Int8Tile& t) {
  const Target<Out> target(e);
  const int64_t run = t.run == 0 ? t.cols : t.run;
  for (int64_t i = 0; i < t.rows; ++i) {
    const Row row = row_values(e, t, i);
    const VecU32 shift =
        VecU32{} + (row_shift(e, t, row) + static_cast<uint32_t>(row.bias_i32.all));
    const VecF32 scale = broadcast<float>(row.scale.all), bias = broadcast<float>(row.bias_f32.all);
    Out* out = row_of<Out>(e, t, i);
    const int32_t* c = t.c + i * t.c_row;
    for (int64_t first = 0; first < t.cols; first += run, c += t.run_pitch) {
      for (int64_t j = 0; j < run; j += W) {
        const int64_t room = (t.run == 0 ? run : t.cols - first) - j;
        const int n = static_cast<int>(room < W ? room : W);
        const VecI32 held =
            n == W || t.run != 0 ? load<int32_t>(c + j) : load_partial<int32_t>(c + j, n);
        put<Out>(target, out + first + j, (VecU32)held + shift, scale, bias, n);
      }
    }
  }
}

// Zero points are not per column or of A per row, scale and bias not per row: a vector of columns at a time.
template <class Out>
void finish_columns(const Int8Epilogue& e, const Int8Tile& t) {
  const Target<Out> target(e);
  const Row first = row_values(e, t, 0);
  const uint32_t a_zero = static_cast<uint32_t>(first.a_zero) + static_cast<uint32_t>(t.a_shift);
  for (int64_t j = 0; j < t.cols; j += W) {
    const int n = static_cast<int>(t.cols - j < W ? t.cols - j : W);
    const auto take = [&](const int32_t* p) __attribute__((always_inline)) {
      return (VecU32)(n == W ? load<int32_t>(p + j) : load_partial<int32_t>(p + j, n));
    };
    VecU32 shift = (VecU32)read<int32_t>(first.bias_i32, j, n);
    if (t.b_sums != nullptr) shift -= take(t.b_sums) * a_zero;
    const VecF32 scale = read<float>(first.scale, j, n), bias = read<float>(first.bias_f32, j, n);
    for (int64_t i = 0; i < t.rows; ++i) {
      Row row = first;
      row.a_sum = t.a_sums ? t.a_sums[i] : 0;
      put<Out>(target, row_of<Out>(e, t, i) + j,
               take(t.c + i * t.c_row) + (shift + row_shift(e, t, row)), scale, bias, n);
    }
  }
}

template <class Out>
void finish(const Int8Epilogue& e, const Int8Tile& t) {
  if (e.a_zero.row != 0 || e.b_zero.col != 0) return finish_each<Out>(e, t);
  const bool sums = t.b_sums != nullptr && (e.a_zero.data != nullptr || t.a_shift != 0);
  if (!sums && e.bias_i32.col == 0 && e.bias_f32.col == 0 && e.scale.col == 0)
    return finish_rows<Out>(e, t);
  const bool rows = e.bias_i32.row != 0 || e.bias_f32.row != 0 || e.scale.row != 0;
  rows ? finish_each<Out>(e, t) : finish_columns<Out>(e, t);
}

}  // namespace

void int8_epilogue(const Int8Epilogue& e, const Int8Tile& tile) {
  switch (e.dtype) {
    case DType::i32:
      return finish<int32_t>(e, tile);
    case DType::f32:
      return finish<float>(e, tile);
    case DType::i8:
      return finish<int8_t>(e, tile);
    default:
      return finish<uint8_t>(e, tile);
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
