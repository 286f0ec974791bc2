// Loads that widen: 16-bit floats in memory, f32 in registers. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"
#include "core/dtype.h"

namespace tilegrad::TILEGRAD_ISA {

TG_SIMD VecF32 load_stored(const float* p) { return load<float>(p); }
TG_SIMD VecF64 load_stored(const double* p) { return load<double>(p); }
TG_SIMD VecF32 load_stored(const bf16* p) {
  return from_bf16(load_u16(reinterpret_cast<const uint16_t*>(p)));
}
TG_SIMD VecF32 load_stored(const f16* p) {
  return from_f16(load_u16(reinterpret_cast<const uint16_t*>(p)));
}

// The first n elements, zeros beyond; touches no byte past them.
TG_SIMD VecF32 load_stored_partial(const float* p, int n) { return load_partial<float>(p, n); }
TG_SIMD VecF64 load_stored_partial(const double* p, int n) { return load_partial<double>(p, n); }
template <class S>
TG_SIMD VecF32 load_stored_partial(const S* p, int n) {
  uint16_t bits[kLanes<float>] = {};
  for (int i = 0; i < n; ++i) bits[i] = p[i].bits;
  return load_stored(reinterpret_cast<const S*>(bits));
}

TG_SIMD float widened(float x) { return x; }
TG_SIMD double widened(double x) { return x; }
template <class S>
TG_SIMD float widened(S x) {
  const uint16_t bits[kLanes<float>] = {x.bits};
  return load_stored(reinterpret_cast<const S*>(bits))[0];
}

}  // namespace tilegrad::TILEGRAD_ISA
