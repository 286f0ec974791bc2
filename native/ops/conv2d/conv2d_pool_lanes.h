// Vectors of a gradient behind pooling and activation, for *_simd.cc files.
#pragma once

#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {

template <class T>
struct BytesOf {
  typedef uint8_t type __attribute__((vector_size(kLanes<T>)));
};

// The first n bytes as lanes; `room` bytes may be touched.
template <class T>
TG_SIMD Mask<T> load_bytes(const uint8_t* p, int n, int64_t room) {
  constexpr int W = kLanes<T>;
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << n) - 1), p);
    return (Mask<T>)_mm512_maskz_cvtepu8_epi32(0xffff, bytes);
  }
#endif
  typename BytesOf<T>::type bytes = {};
  if (room >= W) {
    __builtin_memcpy(&bytes, p, sizeof bytes);
  } else {
    for (int i = 0; i < n; ++i) bytes[i] = p[i];
  }
  return __builtin_convertvector(bytes, Mask<T>);
}

// What passes the activation, by the output.
template <class T>
TG_SIMD Vec<T> before_activation(Vec<T> dy, const T* y, int n, ConvActivation activation) {
  if (activation == ConvActivation::none) return dy;
  const Vec<T> out = load_partial<T>(y, n);
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    __mmask16 passing = _mm512_cmp_ps_mask((__m512)out, _mm512_setzero_ps(), _CMP_GT_OQ);
    if (activation == ConvActivation::relu6) {
      passing &= _mm512_cmp_ps_mask((__m512)out, _mm512_set1_ps(6), _CMP_LT_OQ);
    }
    return (Vec<T>)_mm512_maskz_mov_ps(passing, (__m512)dy);
  }
#endif
  Mask<T> passes = out > Vec<T>{};
  if (activation == ConvActivation::relu6) passes &= out < broadcast<T>(6);
  return passes ? dy : Vec<T>{};
}

}  // namespace tilegrad::TILEGRAD_ISA
