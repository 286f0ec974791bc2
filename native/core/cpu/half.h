// Conversion of whole arrays between 16-bit storage and f32, for kernels that compute in f32.
#pragma once

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

TILEGRAD_SIMD_DECLARE(void, widen_f16, (const uint16_t* in, float* out, int64_t n))
TILEGRAD_SIMD_DECLARE(void, widen_bf16, (const uint16_t* in, float* out, int64_t n))
TILEGRAD_SIMD_DECLARE(void, narrow_f16, (const float* in, uint16_t* out, int64_t n))
TILEGRAD_SIMD_DECLARE(void, narrow_bf16, (const float* in, uint16_t* out, int64_t n))

// f16 or bf16 to f32 and back (round to nearest even), n elements, over all threads.
void widen(DType from, const void* in, float* out, int64_t n);
void narrow(DType to, const float* in, void* out, int64_t n);

}  // namespace tilegrad
