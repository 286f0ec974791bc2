// sigmoid and tanh of a vector of gates. With AVX-512 f32 has its own, at half the cost: 2^n is applied by one instruction,
// which rounds into the subnormals once, and the reciprocal of 1 + e^-a, a number from 1 to 2, is an estimate of 14 bits and
// one step of Newton's. Both within 3 ULP. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"
#include "core/math_activations.h"

namespace tilegrad::TILEGRAD_ISA {

#if defined(TILEGRAD_ISA_AVX512)
struct Decay {
  VecF32 e, share;  // e^-a and 1 / (1 + e^-a)
};
// a >= 0 or NaN.
TG_SIMD Decay decay(VecF32 a) {
  // Beyond, e^-a is 0; a NaN is the second operand and passes.
  a = (VecF32)_mm512_maskz_min_ps(0xffff, (__m512)math::f32::splat<VecF32>(120.0f), (__m512)a);
  const float magic = 12582912.0f;  // rounds to an integer, as in math::f32::exp
  const VecF32 n = (a * -1.44269504f + magic) - magic;
  VecF32 r = -a - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  VecF32 p = r * 1.392692661e-3f + 8.363773874e-3f;
  p = p * r + 0.04166655011f;
  p = p * r + 0.1666657338f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  const VecF32 e = (VecF32)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)n), d = e + 1.0f;
  const VecF32 y = (VecF32)_mm512_maskz_rcp14_ps(0xffff, (__m512)d);
  return {e, y + y * (1.0f - d * y)};
}

TG_SIMD VecF32 sigmoid_of(VecF32 x) {
  const Decay d = decay(math::f32::magnitude(x));
  return x < VecF32{} ? d.e * d.share : d.share;
}

TG_SIMD VecF32 tanh_of(VecF32 x) {
  const VecF32 a = math::f32::magnitude(x), u = a * a;
  VecF32 p = u * -6.096852388e-3f + 0.02099727398f;
  p = p * u - 0.05385092959f;
  p = p * u + 0.1333276987f;
  p = p * u - 0.3333332895f;
  const VecF32 near = a * u * p + a;
  const Decay d = decay(a + a);
  const VecF32 far = d.share - d.e * d.share;
  return math::f32::copy_sign(a < math::f32::splat<VecF32>(0.625f) ? near : far, x);
}
#else
TG_SIMD VecF32 sigmoid_of(VecF32 x) { return math::f32::sigmoid(x); }
TG_SIMD VecF32 tanh_of(VecF32 x) { return math::f32::tanh(x); }
#endif

TG_SIMD VecF64 sigmoid_of(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::sigmoid(x[i]);
  return x;
}
TG_SIMD VecF64 tanh_of(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::tanh(x[i]);
  return x;
}

}  // namespace tilegrad::TILEGRAD_ISA
