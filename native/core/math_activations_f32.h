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

// Of the normal distribution at a >= 0: the bell e^(-a^2 / 2), and the share above a as a ratio to it. a is split so
// that the square of its high part is exact. The ratio is 1 / (1 + a) times a polynomial in
// q = (a - 4) / (a + 4), fitted up to 14.5, where f32 ends.
template <class F>
struct Normal {
  F ratio, bell;
};
template <class F>
TG_HOST Normal<F> normal(F a) {
  const F limit = splat<F>(14.5f);
  a = a > limit ? limit : a;
  const F high = from_bits<F>(bits(a) & ~0xfff);
  const F s = (a - high) * (a + high) * 0.5f;
  F bell = exp(high * high * -0.5f);
  bell = bell + bell * (s * (s * (0.5f - s * (0.1666666667f - s * 0.04166666667f)) - 1.0f));
  const F q = (a - 4.0f) / (a + 4.0f);
  F p = q * 8.963182336e-05f + 0.0007244785666f;
  p = p * q - 0.0004084594257f;
  p = p * q - 0.005050467327f;
  p = p * q + 0.01796521991f;
  p = p * q - 0.03218534216f;
  p = p * q + 0.02859756537f;
  p = p * q + 0.01399869099f;
  p = p * q - 0.09670339525f;
  p = p * q + 0.4720532298f;
  return {p / (a + 1.0f), bell};
}

// x times the share of the normal distribution below x.
template <class F>
TG_HOST F gelu(F x) {
  const F limit = splat<F>(15.0f);
  F w = x > limit ? limit : x;
  w = w < -limit ? -limit : w;
  const Normal<F> at = normal(magnitude(x));
  const F part = w * at.bell * at.ratio;  // w first: bell alone would lose bits as a subnormal
  return x < splat<F>(0.0f) ? part : x - part;
}

template <class F>
TG_HOST F gelu_slope(F x) {
  const F limit = splat<F>(15.0f);
  F w = x > limit ? limit : x;
  w = w < -limit ? -limit : w;
  const Normal<F> at = normal(magnitude(x));
  const F above = at.bell * at.ratio;
  return (x < splat<F>(0.0f) ? above : 1.0f - above) + w * at.bell * 0.3989422804f;
}

}  // namespace tilegrad::math::f32
