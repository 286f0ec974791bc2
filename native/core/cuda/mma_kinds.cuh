// The element kinds of mma.sync: what is multiplied from fragments of 32 bytes of K. A kind holds a fragment as kTerms of
// which it is the sum; prepare() makes them of the words that were read.
#pragma once

#include "core/cuda/ptx.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

// Fragments are multiplied as they were read.
template <class E, class S>
struct MmaAsRead {
  using Element = E;
  using Sum = S;
  static constexpr int kTerms = 1;
  template <int N>
  __device__ static void prepare(uint32_t (&)[1][N]) {}
};

struct MmaBf16 : MmaAsRead<bf16, float> {
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[1][4],
                                  const uint32_t (&b)[1][2]) {
    ptx::mma_m16n8k16_bf16(d, a[0], b[0]);
  }
};

struct MmaF16 : MmaAsRead<f16, float> {
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[1][4],
                                  const uint32_t (&b)[1][2]) {
    ptx::mma_m16n8k16_f16(d, a[0], b[0]);
  }
};

// f32 rounded to 10 bits of mantissa, ties away from zero: the instruction itself would cut them off.
struct MmaTf32 {
  using Element = float;
  using Sum = float;
  static constexpr int kTerms = 1;
  template <int N>
  __device__ static void prepare(uint32_t (&x)[1][N]) {
#pragma unroll
    for (int i = 0; i < N; i++) x[0][i] = ptx::round_tf32(bits_to_float(x[0][i]));
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[1][4],
                                  const uint32_t (&b)[1][2]) {
    ptx::mma_m16n8k8_tf32(d, a[0], b[0]);
  }
};

// An f32 as the sum of two tf32: 21 bits of mantissa at least, what is left is below 2^-23 of x. Infinities, and finite
// numbers that round to one (from 3.402e38 on), give a NaN.
__device__ inline void split_tf32(float x, uint32_t& big, uint32_t& small) {
  big = ptx::round_tf32(x);
  small = ptx::round_tf32(x - bits_to_float(big));
}

// 3xTF32: a b = small b + a small + big big, of which small small, below 2^-22 of the product, is left out. The tensor
// cores cut sums off instead of rounding them, so each 8 of K are summed from zero and then added in f32.
struct MmaTf32x3 {
  using Element = float;
  using Sum = float;
  static constexpr int kTerms = 2;  // big, small
  template <int N>
  __device__ static void prepare(uint32_t (&x)[2][N]) {
    uint32_t(&big)[N] = x[0], (&small)[N] = x[1];
#pragma unroll
    for (int i = 0; i < N; i++) split_tf32(bits_to_float(big[i]), big[i], small[i]);
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[2][4],
                                  const uint32_t (&b)[2][2]) {
    float part[4] = {};
    ptx::mma_m16n8k8_tf32(part, a[1], b[0]);
    ptx::mma_m16n8k8_tf32(part, a[0], b[1]);
    ptx::mma_m16n8k8_tf32(part, a[0], b[0]);
#pragma unroll
    for (int i = 0; i < 4; i++) d[i] += part[i];
  }
};

// Bytes, either operand signed or not; the sums are exact modulo 2^32.
template <bool ASigned, bool BSigned>
struct MmaBytes : MmaAsRead<uint8_t, int32_t> {
  __device__ static void multiply(int32_t (&d)[4], const uint32_t (&a)[1][4],
                                  const uint32_t (&b)[1][2]) {
    if constexpr (ASigned && BSigned)
      ptx::mma_m16n8k32_s8(d, a[0], b[0]);
    else if constexpr (BSigned)
      ptx::mma_m16n8k32_u8s8(d, a[0], b[0]);
    else if constexpr (ASigned)
      ptx::mma_m16n8k32_s8u8(d, a[0], b[0]);
    else
      ptx::mma_m16n8k32_u8(d, a[0], b[0]);
  }
};

template <class T>
struct MmaKindOf;
template <>
struct MmaKindOf<float> {
  using Kind = MmaTf32;
};
template <>
struct MmaKindOf<f16> {
  using Kind = MmaF16;
};
template <>
struct MmaKindOf<bf16> {
  using Kind = MmaBf16;
};
template <class T>
using MmaOf = typename MmaKindOf<T>::Kind;

}  // namespace tilegrad::cuda
