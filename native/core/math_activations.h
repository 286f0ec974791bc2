// Activation functions and their slopes that take more than an expression. On the host f32 is computed in
// f64 but for the most used, where no cancellation shows, by formulas that keep the small side of the function exact.
#pragma once

#include "core/math.h"
#include "core/math_activations_f32.h"

namespace tilegrad {

// The functions that these are made of, in the type W in which a T is computed.
template <class T>
struct Within {
  using W = T;
  TG_MATH_FN W exp(W x) { return math::exp(x); }
  TG_MATH_FN W expm1(W x) { return math::expm1(x); }
  TG_MATH_FN W log1p(W x) { return math::log1p(x); }
  TG_MATH_FN W erfc(W x) { return math::erfc(x); }
};
#if !defined(__CUDA_ARCH__)
template <>
struct Within<float> {
  using W = double;
  TG_MATH_FN W exp(W x) { return math::via_f64::exp(x); }
  TG_MATH_FN W expm1(W x) { return math::via_f64::expm1(x); }
  TG_MATH_FN W log1p(W x) { return math::via_f64::log1p(x); }
  TG_MATH_FN W erfc(W x) { return math::via_f64::erfc(x); }
};
#endif
template <class T>
using Wide = typename Within<T>::W;

template <class T>
TG_MATH_FN T elu(T x, T alpha, T scale, T input_scale) {
  using W = Wide<T>;
  const W low = Within<T>::expm1(W(x) * W(input_scale)) * W(alpha);
  return static_cast<T>((x > T(0) ? W(x) : low) * W(scale));
}

template <class T>
TG_MATH_FN T elu_slope(T x, T alpha, T scale, T input_scale) {
  using W = Wide<T>;
  const W low = Within<T>::exp(W(x) * W(input_scale)) * W(alpha) * W(input_scale);
  return static_cast<T>((x > T(0) ? W(1) : low) * W(scale));
}

template <class T>
TG_MATH_FN T logsigmoid(T x) {
  using W = Wide<T>;
  const W low = x < T(0) ? W(x) : (x != x ? W(x) : W(0));
  return static_cast<T>(low - Within<T>::log1p(Within<T>::exp(-math::fabs(W(x)))));
}

template <class T>
TG_MATH_FN T softplus(T x, T beta, T threshold) {
  using W = Wide<T>;
  const W z = W(x) * W(beta);
  const W soft = Within<T>::log1p(Within<T>::exp(z)) / W(beta);
  return static_cast<T>(z > W(threshold) ? W(x) : soft);
}

// Far beyond where these functions have reached their limits: keeps infinity from meeting a zero.
template <class T>
TG_MATH_FN Wide<T> bounded_below(T x) {
  return x < T(-1000) ? Wide<T>(-1000) : Wide<T>(x);
}
template <class T>
TG_MATH_FN Wide<T> bounded_both(T x) {
  return x > T(1000) ? Wide<T>(1000) : bounded_below(x);
}

constexpr double kHalfSqrt2 = 0.70710678118654752440;
constexpr double kInverseSqrt2Pi = 0.39894228040143267794;

template <class T>
TG_MATH_FN T gelu(T x) {
  using W = Wide<T>;
  const W w = bounded_below(x);
  return static_cast<T>(W(0.5) * w * Within<T>::erfc(w * W(-kHalfSqrt2)));
}

template <class T>
TG_MATH_FN T gelu_slope(T x) {
  using W = Wide<T>;
  const W w = bounded_both(x);
  const W density = Within<T>::exp(W(-0.5) * w * w) * W(kInverseSqrt2Pi);
  return static_cast<T>(W(0.5) * Within<T>::erfc(w * W(-kHalfSqrt2)) + w * density);
}

// 0.5 x (1 + tanh u) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
constexpr double kTwoSqrt2OverPi = 1.59576912160573071176;

template <class T>
TG_MATH_FN Wide<T> gelu_tanh_sigmoid(Wide<T> w) {
  using W = Wide<T>;
  const W z = W(kTwoSqrt2OverPi) * w * (W(1) + W(0.044715) * w * w);
  return W(1) / (W(1) + Within<T>::exp(-z));
}

template <class T>
TG_MATH_FN T gelu_tanh(T x) {
  const Wide<T> w = bounded_below(x);
  return static_cast<T>(w * gelu_tanh_sigmoid<T>(w));
}

template <class T>
TG_MATH_FN T gelu_tanh_slope(T x) {
  using W = Wide<T>;
  const W w = bounded_both(x), s = gelu_tanh_sigmoid<T>(w);
  const W z_slope = W(kTwoSqrt2OverPi) * (W(1) + W(3 * 0.044715) * w * w);
  return static_cast<T>(s + w * s * (W(1) - s) * z_slope);
}

// The exponential of -|x| keeps both sides exact, down to the subnormals.
template <class T>
TG_MATH_FN T silu(T x) {
  using W = Wide<T>;
  const W w = bounded_below(x);
  const W e = Within<T>::exp(-math::fabs(w));
  return static_cast<T>((x < T(0) ? w * e : w) / (W(1) + e));
}

template <class T>
TG_MATH_FN T silu_slope(T x) {
  using W = Wide<T>;
  const W w = bounded_both(x), s = W(1) / (W(1) + Within<T>::exp(-w));
  return static_cast<T>(s * (W(1) + w * (W(1) - s)));
}

#if !defined(__CUDA_ARCH__)
TG_MATH_FN float gelu(float x) { return math::f32::gelu(x); }
TG_MATH_FN float gelu_slope(float x) { return math::f32::gelu_slope(x); }
TG_MATH_FN float silu(float x) { return math::f32::silu(x); }
TG_MATH_FN float silu_slope(float x) { return math::f32::silu_slope(x); }
#endif

// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); it is 1 from 20 on.
template <class T>
TG_MATH_FN T mish(T x) {
  using W = Wide<T>;
  const W w = bounded_below(x);
  const W e = Within<T>::exp(x > T(20) ? W(20) : w);
  const W n = e * (e + W(2));
  return static_cast<T>(w * (n / (n + W(2))));
}

template <class T>
TG_MATH_FN T mish_slope(T x) {
  using W = Wide<T>;
  const W w = bounded_below(x);
  const W e = Within<T>::exp(x > T(20) ? W(20) : w);
  const W n = e * (e + W(2)), below = n + W(2);
  // d tanh(softplus) = 4 (n + 1) / (n + 2)^2 times sigmoid.
  const W slope = W(4) * (n + W(1)) / (below * below) * (e / (e + W(1)));
  return static_cast<T>(x > T(20) ? W(1) : n / below + w * slope);
}

}  // namespace tilegrad
