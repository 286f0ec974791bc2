// Activation functions on the host that stay in f32, as math_f32.h: branch-free, for a float or for a
// vector of floats, within 4 ULP over the whole range; gelu at -infinity is its limit, 0.
#pragma once

#include "core/math_f32.h"

namespace tilegrad::math::f32 {

// x / (1 + e^-x). Far on the left e^-|x| is computed as e^(64 - |x|) (x + 64 is exact there) and scaled back
// behind the product, which keeps its bits down to the subnormals.
template <class F>
TG_HOST F silu(F x) {
  const F z = from_bits<F>(bits(x) | INT32_MIN);
  const F edge = splat<F>(-64.0f), limit = splat<F>(-200.0f);
  const F e = exp(z < edge ? z + 64.0f : z);
  const F scale = z < edge ? splat<F>(1.6038108905e-28f) : splat<F>(1.0f);  // e^-64
  const F w = x < limit ? limit : x;
  return (x < splat<F>(0.0f) ? w * e * scale : x) / (e * scale + 1.0f);
}

template <class F>
TG_HOST F silu_slope(F x) {
  const F e = exp(from_bits<F>(bits(x) | INT32_MIN));
  const F near = 1.0f / (e + 1.0f), far = e * near;
  const F zero = splat<F>(0.0f), limit = splat<F>(200.0f);
  F w = x > limit ? limit : x;
  w = w < -limit ? -limit : w;
  return (x < zero ? far : near) * (w * (x < zero ? near : far) + 1.0f);
}

// Of the normal distribution at a >= 0: the bell e^(-a^2 / 2) times 2^24, which keeps its bits to the end of f32 at a = 14.4,
// and the share above a as a ratio to it. a is split so that the square of its high part is exact; n is chosen by the
// whole square, so that what is left of the exponent is small. The ratio is 1 / (a + 2.5) times a polynomial in
// q = (a - 2.5) / (a + 2.5), fitted up to 14.4.
template <class F>
struct Normal {
  F size, ratio, bell;  // size: a, at most 14.4
};
template <class F>
TG_HOST Normal<F> normal(F a) {
  const F limit = splat<F>(14.4f);
  a = a > limit ? limit : a;
  const F high = from_bits<F>(bits(a) & ~0xfff);
  const float magic =
      12582912.0f + 151.0f;  // n + 127 + 24 in the low bits, so that a shift makes 2^(n + 24)
  const F shifted = a * a * -0.7213475204f + magic;
  const F n = shifted - magic;
  F r = high * high + n * 1.38671875f;  // exact: -2 times the exponent that n leaves
  r = (a - high) * (a + high) + r;
  r = r * -0.5f + n * 2.12194440e-4f;
  F e = r * 1.392692661e-3f + 8.363773874e-3f;
  e = e * r + 0.04166655011f;
  e = e * r + 0.1666657338f;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  // 1 / (a + 2.5) without the rounding of the sum and of the quotient.
  const F d = a + 2.5f;
  F t = 1.0f / d;
  t = t + t * ((1.0f - d * t) - (a - (d - 2.5f)) * t);
  const F q = (a - 2.5f) * t;
  F p = q * -9.367906898e-12f - 1.851859887e-11f;
  p = p * q + 4.078932849e-11f;
  p = p * q + 1.503915894e-10f;
  p = p * q - 9.54265714e-11f;
  p = p * q - 9.766807725e-10f;
  p = p * q + 5.505039633e-10f;
  p = p * q + 7.867036002e-09f;
  p = p * q - 2.585005849e-08f;
  p = p * q + 4.21200192e-08f;
  return {a, p * t, e * from_bits<F>(ubits(shifted) << 23)};
}

// x times the share of the normal distribution below x.
template <class F>
TG_HOST F gelu(F x) {
  const Normal<F> at = normal(magnitude(x));
  const F part = at.size * at.bell * at.ratio;
  return (x < splat<F>(0.0f) ? splat<F>(0.0f) : x) - part;
}

#if defined(__FMA__) || defined(__aarch64__)
// The same for |x| <= kGeluNear without a division, a third cheaper: the ratio is a polynomial there, and a fused
// multiply-add gives what the square loses.
constexpr float kGeluNear = 4.5f;
TG_HOST float gelu_near(float x) {
  const float a = magnitude(x);
  const float square = a * a, lost = __builtin_fmaf(a, a, -square);
  const float magic = 12582912.0f + 127.0f;  // n + 127 in the low bits
  const float shifted = square * -0.7213475204f + magic;
  const float n = shifted - magic;
  float r = square * -0.5f - n * 0.693359375f;
  r = r - lost * 0.5f;
  r = r + n * 2.12194440e-4f;
  float e = r * 1.392692661e-3f + 8.363773874e-3f;
  e = e * r + 0.04166655011f;
  e = e * r + 0.1666657338f;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r;  // e^r - 1
  const float t = a - 2.25f;
  float p = t * 8.233695779e-10f - 4.743587758e-09f;
  p = p * t + 9.093599390e-09f;
  p = p * t - 3.552012879e-08f;
  p = p * t + 2.698783528e-07f;
  p = p * t - 1.290446874e-06f;
  p = p * t + 5.359720826e-06f;
  p = p * t - 2.277305689e-05f;
  p = p * t + 9.448025724e-05f;
  p = p * t - 3.733957195e-04f;
  p = p * t + 1.406776180e-03f;
  p = p * t - 5.031199917e-03f;
  p = p * t + 1.694735858e-02f;
  p = p * t - 5.322543145e-02f;
  p = p * t + 1.536519381e-01f;
  const float part = a * p;
  const float share = (part * e + part) * from_bits<float>(ubits(shifted) << 23);
  return (x < 0.0f ? 0.0f : x) - share;
}
#endif

template <class F>
TG_HOST F gelu_slope(F x) {
  const Normal<F> at = normal(magnitude(x));
  const F w = copy_sign(at.size, x);
  const F above = at.bell * at.ratio;
  return (x < splat<F>(0.0f) ? above : 1.0f - above) + w * at.bell * 2.377881291e-08f;
}

}  // namespace tilegrad::math::f32
