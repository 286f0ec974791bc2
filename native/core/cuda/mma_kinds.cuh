// The element kinds of mma.sync: what one instruction multiplies, from fragments of 32 bytes of K.
#pragma once

#include "core/cuda/ptx.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

struct MmaBf16 {
  using Element = bf16;
  using Sum = float;
  __device__ static void prepare(uint32_t (&)[4]) {}
  __device__ static void prepare(uint32_t (&)[2]) {}
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    ptx::mma_m16n8k16_bf16(d, a, b);
  }
};

struct MmaF16 {
  using Element = f16;
  using Sum = float;
  __device__ static void prepare(uint32_t (&)[4]) {}
  __device__ static void prepare(uint32_t (&)[2]) {}
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    ptx::mma_m16n8k16_f16(d, a, b);
  }
};

// f32 rounded to 10 bits of mantissa, ties away from zero: the instruction itself would cut them off.
struct MmaTf32 {
  using Element = float;
  using Sum = float;
  template <int N>
  __device__ static void prepare(uint32_t (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) x[i] = ptx::round_tf32(bits_to_float(x[i]));
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    ptx::mma_m16n8k8_tf32(d, a, b);
  }
};

// Bytes, either operand signed or not; the sums are exact modulo 2^32.
template <bool ASigned, bool BSigned>
struct MmaBytes {
  using Element = uint8_t;
  using Sum = int32_t;
  __device__ static void prepare(uint32_t (&)[4]) {}
  __device__ static void prepare(uint32_t (&)[2]) {}
  __device__ static void multiply(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    if constexpr (ASigned && BSigned)
      ptx::mma_m16n8k32_s8(d, a, b);
    else if constexpr (BSigned)
      ptx::mma_m16n8k32_u8s8(d, a, b);
    else if constexpr (ASigned)
      ptx::mma_m16n8k32_s8u8(d, a, b);
    else
      ptx::mma_m16n8k32_u8(d, a, b);
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
