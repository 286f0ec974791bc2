// Vectors of one ISA's width for *_simd.cc files, on GCC's vector extensions: + - * / < == ?: & >> and
// a[i] work as they stand, a * b + c contracts to one FMA, and math_f32.h takes a VecF32. Everything
// lives in tilegrad::TILEGRAD_ISA with internal linkage. Width: 64 bytes on avx512, 32 on avx2, else
// 16.
#pragma once

#if !defined(TILEGRAD_ISA)
#error "core/cpu/simd.h is for *_simd.cc files"
#endif

#include <cstdint>

#include "core/math_f32.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define TG_SIMD static inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {

#if defined(TILEGRAD_ISA_AVX512)
constexpr int kVectorBytes = 64;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

typedef float VecF32 __attribute__((vector_size(kVectorBytes)));
typedef double VecF64 __attribute__((vector_size(kVectorBytes)));
typedef int32_t VecI32 __attribute__((vector_size(kVectorBytes)));
typedef int64_t VecI64 __attribute__((vector_size(kVectorBytes)));
typedef uint32_t VecU32 __attribute__((vector_size(kVectorBytes)));
typedef uint16_t VecU16Half __attribute__((vector_size(kVectorBytes / 2)));

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  using type = VecF32;
  using mask = VecI32;
};
template <>
struct VecOf<double> {
  using type = VecF64;
  using mask = VecI64;
};
template <>
struct VecOf<int32_t> {
  using type = VecI32;
  using mask = VecI32;
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
using Mask = typename VecOf<T>::mask;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
TG_SIMD Vec<T> load(const T* p) {
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
  return *reinterpret_cast<const Unaligned*>(p);
}

template <class T>
TG_SIMD void store(T* p, Vec<T> v) {
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
  *reinterpret_cast<Unaligned*>(p) = v;
}

template <class T>
TG_SIMD Vec<T> broadcast(T x) {
  return x - Vec<T>{};
}

// Keeps a loaded vector in its register: the compiler would rather load it again at each use, which
// costs twice where the address is not aligned.
template <class V>
TG_SIMD void keep(V& v) {
#if defined(TILEGRAD_ISA_AVX512)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

// The same for an address: else the compiler keeps one per row of a tile, more than there are registers.
template <class T>
TG_SIMD void keep_address(const T*& p) {
  asm("" : "+r"(p));
}

// 0, 1, 2, ... Written out: elements that a loop sets one by one are inserted one by one where the vector is used, as GCC
// 12 does not see the constant.
template <class T>
TG_SIMD Mask<T> lane_numbers() {
  if constexpr (kLanes<T> == 16) {
    return Mask<T>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  } else if constexpr (kLanes<T> == 8) {
    return Mask<T>{0, 1, 2, 3, 4, 5, 6, 7};
  } else if constexpr (kLanes<T> == 4) {
    return Mask<T>{0, 1, 2, 3};
  } else {
    return Mask<T>{0, 1};
  }
}

template <class T>
TG_SIMD Vec<T> zero() {
  return Vec<T>{};
}

// The first n lanes of p, zeros beyond; touches no byte past them. 0 <= n <= kLanes<T>.
template <class T>
TG_SIMD Vec<T> load_partial(const T* p, int n) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p);
  } else {
    return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << n) - 1), p);
  }
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    const VecI32 mask = VecI32{0, 1, 2, 3, 4, 5, 6, 7} < broadcast<int32_t>(n);
    return (Vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), (__m256i)mask);
  } else {
    const VecI64 mask = VecI64{0, 1, 2, 3} < (n - VecI64{});
    return (Vec<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), (__m256i)mask);
  }
#else
  Vec<T> v = {};
  for (int i = 0; i < kLanes<T>; ++i) {
    if (i < n) v[i] = p[i];
  }
  return v;
#endif
}

// Lanes [begin, end) of a vector, to load (zeros elsewhere) or store only those: no other byte is
// touched. The address is that of lane 0, which may lie before the array.
template <class T>
struct Window {
#if defined(TILEGRAD_ISA_AVX512)
  unsigned mask;
#elif defined(TILEGRAD_ISA_AVX2)
  Mask<T> mask;
#else
  int begin, end;
#endif
};

template <class T>
TG_SIMD Window<T> window(int begin, int end) {
#if defined(TILEGRAD_ISA_AVX512)
  return {((1u << end) - 1) & ~((1u << begin) - 1)};
#elif defined(TILEGRAD_ISA_AVX2)
  const Mask<T> lane = lane_numbers<T>();
  return {(lane >= begin) & (lane < end)};
#else
  return {begin, end};
#endif
}

template <class T>
TG_SIMD Vec<T> load(const T* p, Window<T> w) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(w.mask), p);
  } else {
    return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(w.mask), p);
  }
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), (__m256i)w.mask);
  } else {
    return (Vec<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), (__m256i)w.mask);
  }
#else
  Vec<T> v = {};
  for (int i = 0; i < kLanes<T>; ++i) {
    if (i >= w.begin && i < w.end) v[i] = p[i];
  }
  return v;
#endif
}

template <class T>
TG_SIMD void store(T* p, Vec<T> v, Window<T> w) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(w.mask), (__m512i)v);
  } else {
    _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(w.mask), (__m512i)v);
  }
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), (__m256i)w.mask, (__m256i)v);
  } else {
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), (__m256i)w.mask, (__m256i)v);
  }
#else
  for (int i = 0; i < kLanes<T>; ++i) {
    if (i >= w.begin && i < w.end) p[i] = v[i];
  }
#endif
}

template <class T>
TG_SIMD void store_partial(T* p, Vec<T> v, int n) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << n) - 1), (__m512i)v);
  } else {
    _mm512_mask_storeu_epi64(p, static_cast<__mmask8>((1u << n) - 1), (__m512i)v);
  }
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    const VecI32 mask = VecI32{0, 1, 2, 3, 4, 5, 6, 7} < broadcast<int32_t>(n);
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), (__m256i)mask, (__m256i)v);
  } else {
    const VecI64 mask = VecI64{0, 1, 2, 3} < (n - VecI64{});
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), (__m256i)mask, (__m256i)v);
  }
#else
  for (int i = 0; i < kLanes<T>; ++i) {
    if (i < n) p[i] = v[i];
  }
#endif
}

// Vectors whose halves lie apart, for rows shorter than a vector.
#if defined(TILEGRAD_ISA_AVX512)
constexpr bool kSplitVectors = true;
template <class T>
TG_SIMD Vec<T> load_halves(const T* low, const T* high) {
  const auto half = [](const T* p) __attribute__((always_inline)) {
    return _mm256_loadu_pd(reinterpret_cast<const double*>(p));
  };
  // The forms with a mask, since GCC 12 warns of the others' own undefined operand.
  return (Vec<T>)_mm512_maskz_insertf64x4(0xff, _mm512_castpd256_pd512(half(low)), half(high), 1);
}
#else
constexpr bool kSplitVectors = false;
template <class T>
TG_SIMD Vec<T> load_halves(const T* low, const T*) {
  return load<T>(low);
}
#endif

// NaN in either argument gives NaN, as torch.maximum and torch.minimum.
template <class T>
TG_SIMD Vec<T> max_nan(Vec<T> a, Vec<T> b) {
  return (a > b) | (a != a) ? a : b;
}
template <class T>
TG_SIMD Vec<T> min_nan(Vec<T> a, Vec<T> b) {
  return (a < b) | (a != a) ? a : b;
}

// Keeps NaN and -0.
template <class T>
TG_SIMD Vec<T> relu(Vec<T> a) {
  return a < Vec<T>{} ? Vec<T>{} : a;
}

// Lane i with lane i + w / 2, then i + w / 4, and so on: the order is fixed, so the sum is too. The
// result is in every lane.
template <class T, class Combine, int kHalf = kLanes<T> / 2>
TG_SIMD Vec<T> fold_lanes(Vec<T> v, Combine combine) {
  v = combine(v, __builtin_shuffle(v, lane_numbers<T>() ^ kHalf));
  if constexpr (kHalf > 1) return fold_lanes<T, Combine, kHalf / 2>(v, combine);
  return v;
}
template <class T>
TG_SIMD T sum_lanes(Vec<T> v) {
  return fold_lanes<T>(
      v, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a + b; })[0];
}

// ---- bf16 and f16 in memory, f32 in registers -------------------------------------------------------

TG_SIMD VecU16Half load_u16(const uint16_t* p) {
  VecU16Half v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

TG_SIMD VecF32 from_bf16(VecU16Half h) {
  return (VecF32)(__builtin_convertvector(h, VecU32) << 16);
}

// Round to nearest even; NaN stays a (quiet) NaN.
TG_SIMD VecU16Half to_bf16(VecF32 x) {
  const VecU32 bits = (VecU32)x;
  const VecU32 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const VecU32 nan = (bits >> 16) | 0x40u;
  return __builtin_convertvector(x != x ? nan : rounded, VecU16Half);
}

TG_SIMD VecF32 from_f16(VecU16Half h) {
#if defined(TILEGRAD_ISA_AVX512)
  return (VecF32)_mm512_maskz_cvtph_ps(0xffff, (__m256i)h);
#elif defined(TILEGRAD_ISA_AVX2)
  return (VecF32)_mm256_cvtph_ps((__m128i)h);
#else
  // Scaling by 2^112 moves the exponent, subnormals included; 31 becomes 255.
  const VecU32 wide = __builtin_convertvector(h, VecU32);
  const VecU32 size = (wide & 0x7fffu) << 13;
  const VecU32 scaled = (VecU32)((VecF32)size * 0x1p112f);
  const VecU32 special = size | 0x7f800000u;
  return (VecF32)((size >= 0x0f800000u ? special : scaled) | ((wide & 0x8000u) << 16));
#endif
}

// Round to nearest even; NaN stays a (quiet) NaN, what rounds beyond 65504 becomes infinity.
TG_SIMD VecU16Half to_f16(VecF32 x) {
#if defined(TILEGRAD_ISA_AVX512)
  return (VecU16Half)_mm512_maskz_cvtps_ph(0xffff, (__m512)x, _MM_FROUND_TO_NEAREST_INT);
#elif defined(TILEGRAD_ISA_AVX2)
  return (VecU16Half)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
#else
  const VecU32 bits = (VecU32)x & 0x7fffffffu;
  const VecU32 sign = ((VecU32)x >> 16) & 0x8000u;
  // Normal: drop 13 bits to even. Subnormal: adding 1/2 leaves the rounded value in the low bits.
  const VecU32 normal = (bits - 0x38000000u + 0x0fffu + ((bits >> 13) & 1u)) >> 13;
  const VecU32 tiny = (VecU32)((VecF32)bits + 0.5f) - 0x3f000000u;
  VecU32 half = bits < 0x38800000u ? tiny : normal;
  half = bits >= 0x477ff000u ? VecU32{} + 0x7c00u : half;
  half = bits > 0x7f800000u ? ((bits >> 13) & 0x3ffu) | 0x7e00u : half;
  return __builtin_convertvector(half | sign, VecU16Half);
#endif
}

}  // namespace tilegrad::TILEGRAD_ISA

template <>
struct tilegrad::math::BitsOf<tilegrad::TILEGRAD_ISA::VecF32> {
  using type = tilegrad::TILEGRAD_ISA::VecI32;
  using unsigned_type = tilegrad::TILEGRAD_ISA::VecU32;
};
