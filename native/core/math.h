// The transcendental functions of every elementwise kernel, in f32 and f64, for host and device:
// math::exp(x) and so on. f32 on the host: branch-free expressions within 2.5 ULP (math_f32.h,
// math_via_f64.h), so a loop over them vectorises in a *_simd.cc file. f64 on the host is libm; on
// the device both are CUDA's. No <cmath>: a *_simd.cc file must not bring in inline functions of
// the standard library.
#pragma once

#include "core/math_f32.h"
#include "core/math_via_f64.h"

#if defined(__CUDACC__)
#define TG_MATH_FN __host__ __device__ static __forceinline__
#else
#define TG_MATH_FN TG_HOST
#endif

namespace tilegrad::math {

#if defined(__CUDA_ARCH__)
#define TG_MATH_UNARY(name, host_f32)                     \
  TG_MATH_FN float name(float x) { return ::name##f(x); } \
  TG_MATH_FN double name(double x) { return ::name(x); }
#define TG_MATH_BINARY(name, host_f32)                                \
  TG_MATH_FN float name(float x, float y) { return ::name##f(x, y); } \
  TG_MATH_FN double name(double x, double y) { return ::name(x, y); }
#else
#define TG_MATH_UNARY(name, host_f32)                                        \
  TG_MATH_FN float name(float x) { return static_cast<float>(host_f32(x)); } \
  TG_MATH_FN double name(double x) { return __builtin_##name(x); }
#define TG_MATH_BINARY(name, host_f32)                                                   \
  TG_MATH_FN float name(float x, float y) { return static_cast<float>(host_f32(x, y)); } \
  TG_MATH_FN double name(double x, double y) { return __builtin_##name(x, y); }
#endif

TG_MATH_UNARY(exp, f32::exp)
TG_MATH_UNARY(log, f32::log)
TG_MATH_UNARY(tanh, f32::tanh)
TG_MATH_UNARY(erf, f32::erf)
TG_MATH_UNARY(exp2, via_f64::exp2)
TG_MATH_UNARY(expm1, via_f64::expm1)
TG_MATH_UNARY(log1p, via_f64::log1p)
TG_MATH_UNARY(log2, via_f64::log2)
TG_MATH_UNARY(log10, via_f64::log10)
TG_MATH_UNARY(sin, via_f64::sin)
TG_MATH_UNARY(cos, via_f64::cos)
TG_MATH_UNARY(tan, via_f64::tan)
TG_MATH_UNARY(asin, via_f64::asin)
TG_MATH_UNARY(acos, via_f64::acos)
TG_MATH_UNARY(atan, via_f64::atan)
TG_MATH_UNARY(sinh, via_f64::sinh)
TG_MATH_UNARY(cosh, via_f64::cosh)
TG_MATH_UNARY(asinh, via_f64::asinh)
TG_MATH_UNARY(acosh, via_f64::acosh)
TG_MATH_UNARY(atanh, via_f64::atanh)
TG_MATH_UNARY(erfc, via_f64::erfc)
TG_MATH_UNARY(sqrt, __builtin_sqrtf)
TG_MATH_UNARY(floor, __builtin_floorf)
TG_MATH_UNARY(ceil, __builtin_ceilf)
TG_MATH_UNARY(trunc, __builtin_truncf)
TG_MATH_UNARY(rint, __builtin_rintf)  // halves to even, as torch.round
TG_MATH_UNARY(fabs, __builtin_fabsf)
TG_MATH_BINARY(pow, via_f64::pow)
TG_MATH_BINARY(atan2, via_f64::atan2)
TG_MATH_BINARY(fmod, __builtin_fmodf)

#undef TG_MATH_UNARY
#undef TG_MATH_BINARY

// 1 / (1 + e^-x), right down to the subnormals on the far left.
TG_MATH_FN float sigmoid(float x) {
#if defined(__CUDA_ARCH__)
  const float e = ::expf(-::fabsf(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
#else
  return f32::sigmoid(x);
#endif
}
TG_MATH_FN double sigmoid(double x) {
  const double e = exp(-fabs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

}  // namespace tilegrad::math
