// f32 functions on the host that stay in f32: branch-free, for a float or for a vector of floats
// (F); within 2.5 ULP over the whole range, subnormals, infinities, NaN and -0 included.
// Coefficients: Chebyshev fits of the functions beside them.
#pragma once

#include <cstdint>

#define TG_HOST \
  static inline __attribute__((always_inline))  // static: one copy per ISA, never merged at link

namespace tilegrad::math {

template <class F>
struct BitsOf;
template <>
struct BitsOf<float> {
  using type = int32_t;
  using unsigned_type = uint32_t;  // wraps, where NaN and infinity leave the range
};

namespace f32 {

template <class F>
using Bits = typename BitsOf<F>::type;
template <class F>
using UBits = typename BitsOf<F>::unsigned_type;

template <class F>
TG_HOST Bits<F> bits(F x) {
  return __builtin_bit_cast(Bits<F>, x);
}

template <class F>
TG_HOST UBits<F> ubits(F x) {
  return __builtin_bit_cast(UBits<F>, x);
}

template <class F, class B>
TG_HOST F from_bits(B b) {
  return __builtin_bit_cast(F, b);
}

template <class F>
TG_HOST F splat(float c) {
  return c - F{};
}

template <class F>
TG_HOST F magnitude(F x) {
  return from_bits<F>(bits(x) & 0x7fffffff);
}

template <class F>
TG_HOST F copy_sign(F size, F sign) {
  return from_bits<F>((bits(size) & 0x7fffffff) | (bits(sign) & INT32_MIN));
}

constexpr float kInf = __builtin_inff();
constexpr float kNan = __builtin_nanf("");

// e^x = 2^n e^r, |r| <= ln 2 / 2. 2^n is applied in two factors, so results round once into the
// subnormals.
template <class F>
TG_HOST F exp(F x) {
  const F high = splat<F>(89.0f), low = splat<F>(-104.0f);
  x = x > high ? high : x;  // NaN passes both
  x = x < low ? low : x;
  const float magic =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  const F shifted = x * 1.44269504f + magic;
  const F n = shifted - magic;
  F r = x - n * 0.693359375f;  // exact: 9 bits times at most 8
  r = r + n * 2.12194440e-4f;
  F p = r * 1.392692661e-3f + 8.363773874e-3f;
  p = p * r + 0.04166655011f;
  p = p * r + 0.1666657338f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  const Bits<F> exponent = (Bits<F>)(ubits(shifted) - 0x4b400000u);
  const Bits<F> half = exponent >> 1;
  return p * from_bits<F>((half + 127) << 23) * from_bits<F>((exponent - half + 127) << 23);
}

// log x = e log 2 + log(1 + f), 1 + f in [2/3, 4/3).
template <class F>
TG_HOST F log(F x) {
  const F smallest = splat<F>(1.17549435e-38f);
  const F normal = x < smallest ? x * 8388608.0f : x;
  const F bias = x < smallest ? splat<F>(23.0f) : splat<F>(0.0f);
  const Bits<F> e = (Bits<F>)(ubits(normal) - 0x3f2aaaabu) >> 23;
  const F f = from_bits<F>(ubits(normal) - ((UBits<F>)e << 23)) - 1.0f;
  F p = f * 0.1133061739f - 0.1242220058f;
  p = p * f + 0.1091565479f;
  p = p * f - 0.1228872161f;
  p = p * f + 0.1429186718f;
  p = p * f - 0.1667331625f;
  p = p * f + 0.1999994835f;
  p = p * f - 0.2499994419f;
  p = p * f + 0.3333333333f;
  const F n = from_bits<F>((e + 0x4b400000)) - 12582912.0f - bias;
  const F square = f * f;
  const F tail = p * (f * square) + n * -2.12194440e-4f;
  F y = (tail - square * 0.5f) + f + n * 0.693359375f;
  y = x == splat<F>(kInf) ? x : y;
  y = x == splat<F>(0.0f) ? splat<F>(-kInf) : y;
  return x >= splat<F>(0.0f) ? y : (x < splat<F>(0.0f) ? splat<F>(kNan) : x);
}

template <class F>
TG_HOST F tanh(F x) {
  const F a = magnitude(x);
  const F u = a * a;
  F p = u * -6.096852388e-3f + 0.02099727398f;
  p = p * u - 0.05385092959f;
  p = p * u + 0.1333276987f;
  p = p * u - 0.3333332895f;
  const F near = a * u * p + a;
  const F far = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  return copy_sign(a < splat<F>(0.625f) ? near : far, x);
}

// exp(-|x|) never overflows, and keeps the small side exact down to the subnormals.
template <class F>
TG_HOST F sigmoid(F x) {
  const F e = exp(from_bits<F>(bits(x) | INT32_MIN));
  const F one = splat<F>(1.0f);
  return (x < splat<F>(0.0f) ? e : one) / (one + e);
}

// |x| < 1: x + x P(x^2). Beyond: 1 - exp(Q(|x|)), Q fitted to log erfc; 1 from 4 on.
template <class F>
TG_HOST F erf(F x) {
  const F u = x * x;
  F p = u * 7.875875063e-5f - 8.016864287e-4f;
  p = p * u + 5.189087423e-3f;
  p = p * u - 0.02685421201f;
  p = p * u + 0.1128359472f;
  p = p * u - 0.3761262667f;
  p = p * u + 0.1283791658f;
  const F near = p * x + x;
  const F limit = splat<F>(4.0f);
  F a = magnitude(x);
  a = a > limit ? limit : a;
  F q = a * 1.638637325e-6f - 4.608744729e-5f;
  q = q * a + 5.970529461e-4f;
  q = q * a - 4.760747711e-3f;
  q = q * a + 0.02642437093f;
  q = q * a - 0.1100856803f;
  q = q * a - 0.6318202468f;
  q = q * a - 1.130236723f;
  q = q * a + 3.20914383e-4f;
  const F far = copy_sign(1.0f - exp(q), x);
  return a < splat<F>(1.0f) ? near : far;
}

}  // namespace f32

}  // namespace tilegrad::math
