// Arithmetic that is one for floats and integers: no overflow is undefined. Integers wrap
// around; divided by zero they give 0; a power with a negative exponent is 0, except of 1 and -1.
#pragma once

#include "core/math.h"

namespace tilegrad {

// The unsigned type in which a T wraps; floats stand for themselves.
template <class T>
struct WrapOf {
  using type = uint32_t;
};
template <>
struct WrapOf<int64_t> {
  using type = uint64_t;
};
template <>
struct WrapOf<float> {
  using type = float;
};
template <>
struct WrapOf<double> {
  using type = double;
};
template <class T>
using Wrap = typename WrapOf<T>::type;

// A parameter as a T: of an integer function it is whole or infinite, and beyond T's range gives the nearest bound.
template <class T>
TG_MATH_FN T saturated(double value) {
  if constexpr (static_cast<T>(0.5) != T(0)) {
    return static_cast<T>(value);
  } else {
    constexpr bool is_signed = static_cast<T>(-1) < T(0);
    constexpr T most = static_cast<T>(~uint64_t{0} >> (64 - 8 * sizeof(T) + is_signed));
    constexpr T least = static_cast<T>(is_signed ? ~most : 0);
    if (value >= static_cast<double>(most)) return most;
    return value <= static_cast<double>(least) ? least : static_cast<T>(value);
  }
}

template <class T>
TG_MATH_FN T plus(T a, T b) {
  return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
}
template <class T>
TG_MATH_FN T minus(T a, T b) {
  return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
}
template <class T>
TG_MATH_FN T minus(T x) {
  return static_cast<T>(-static_cast<Wrap<T>>(x));
}
template <class T>
TG_MATH_FN T times(T a, T b) {
  return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
}

template <class T>
TG_MATH_FN T flipped(T x) {
  return static_cast<T>(~x);
}
TG_MATH_FN bool flipped(bool x) { return !x; }

template <class T>
TG_MATH_FN T absolute(T x) {
  return x < T(0) ? minus(x) : x;
}
TG_MATH_FN float absolute(float x) { return math::fabs(x); }
TG_MATH_FN double absolute(double x) { return math::fabs(x); }

// NaN of x stays; max wins where min > max.
template <class T>
TG_MATH_FN T clamped(T x, T min, T max) {
  const T above = x < min ? min : x;
  return above > max ? max : above;
}

// A parabola up to `delta`, a straight line behind it; size is not negative. NaN stays.
template <class T>
TG_MATH_FN T bent(T size, T delta, T curve, T slope) {
  return size >= delta ? slope * (size - T(0.5) * delta) : curve * size * size;
}
template <class T>
TG_MATH_FN T bent_slope(T d, T delta, T curve, T slope) {
  const T inner = T(2) * curve * d;
  return d >= delta ? slope : (d <= -delta ? -slope : inner);
}

template <class T>
TG_MATH_FN T power(T base, T exponent) {
  if (exponent < T(0)) {
    if (base == T(1)) return base;
    if (base == static_cast<T>(-1)) return exponent % 2 == 0 ? T(1) : base;
    return T(0);
  }
  T result = T(1);
  for (; exponent > T(0); exponent = static_cast<T>(exponent / 2)) {
    if (exponent % 2 != 0) result = times(result, base);
    base = times(base, base);
  }
  return result;
}
TG_MATH_FN float power(float base, float exponent) { return math::pow(base, exponent); }
TG_MATH_FN double power(double base, double exponent) { return math::pow(base, exponent); }

// Division of integers: by zero it gives 0, and the least number by -1 wraps.
template <class T>
TG_MATH_FN T trunc_remainder(T a, T b) {
  if (b == T(0) || b == static_cast<T>(-1)) return T(0);
  return static_cast<T>(a % b);
}
template <class T>
TG_MATH_FN T floor_remainder(T a, T b) {
  const T rest = trunc_remainder(a, b);
  return rest != T(0) && (rest < T(0)) != (b < T(0)) ? static_cast<T>(rest + b) : rest;
}
template <class T>
TG_MATH_FN T floor_divided(T a, T b) {
  if (b == T(0)) return T(0);
  if (T(0) > static_cast<T>(-1) && b == static_cast<T>(-1)) return minus(a);
  const T quotient = static_cast<T>(a / b);
  return floor_remainder(a, b) != static_cast<T>(a % b) ? static_cast<T>(quotient - 1) : quotient;
}

// Of floats: fmod is exact, and what follows from it is as exact as the result can be.
template <class T>
TG_MATH_FN T floor_remainder_by_fmod(T a, T b) {
  const T rest = math::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
template <class T>
TG_MATH_FN T floor_divided_by_fmod(T a, T b) {
  if (b == 0) return a / b;
  const T rest = math::fmod(a, b);
  T quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  const T whole = math::floor(quotient);
  return quotient - whole > T(0.5) ? whole + 1 : whole;
}
TG_MATH_FN float trunc_remainder(float a, float b) { return math::fmod(a, b); }
TG_MATH_FN double trunc_remainder(double a, double b) { return math::fmod(a, b); }
TG_MATH_FN float floor_remainder(float a, float b) { return floor_remainder_by_fmod(a, b); }
TG_MATH_FN double floor_remainder(double a, double b) { return floor_remainder_by_fmod(a, b); }
TG_MATH_FN double floor_divided(double a, double b) { return floor_divided_by_fmod(a, b); }
TG_MATH_FN float floor_divided(float a, float b) {
#if defined(__CUDA_ARCH__)
  return floor_divided_by_fmod(a, b);
#else
  // A quotient of two f32 lies at least 2^-48 of itself from a whole number that it is not, which f64
  // tells apart. An infinite divisor leaves a zero, below which -1 lies where the signs differ.
  const double quotient = static_cast<double>(a) / static_cast<double>(b);
  const bool below = (quotient == 0) & (a != 0) & ((a < 0) != (b < 0));
  const double whole = below ? -1.0 : math::floor(quotient);
  return static_cast<float>((b != 0) & (a - a != 0) ? static_cast<double>(a - a) : whole);
#endif
}

}  // namespace tilegrad
