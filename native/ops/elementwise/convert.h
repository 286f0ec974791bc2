// One element from dtype to dtype. Float to integer truncates towards zero; what lies beyond the integer's range gives
// its nearest bound, NaN gives 0. Integers of other widths keep their low bits. Floats round to nearest even.
#pragma once

#include "core/math.h"

namespace tilegrad {

template <class T>
constexpr bool kFloating = static_cast<T>(0.5) != T(0) && sizeof(T) >= 4;

template <class To, class From>
TG_MATH_FN To converted(From x) {
  if constexpr (!kFloating<From> || kFloating<To>) {
    return static_cast<To>(x);
  } else {
    constexpr bool is_signed = static_cast<To>(-1) < To(0);
    constexpr auto most = static_cast<To>(~uint64_t{0} >> (64 - 8 * sizeof(To) + is_signed));
    constexpr auto least = static_cast<To>(is_signed ? ~most : To(0));
    constexpr From low = static_cast<From>(least);
    if constexpr (sizeof(To) < sizeof(From)) {
      // Both bounds are exact in From.
      constexpr From high = static_cast<From>(most);
      From inside = x > low ? x : (x == x ? low : From(0));
      inside = inside < high ? inside : high;
      return static_cast<To>(static_cast<int32_t>(inside));
    } else {
      // One past the largest is a power of two and exact, the largest itself is not.
      constexpr From beyond = static_cast<From>(most / 2 + 1) * From(2);
      const From inside = (x >= low) & (x < beyond) ? x : From(0);
      const To y = x >= beyond ? most : static_cast<To>(inside);
      return x < low ? least : y;
    }
  }
}

// Truncated, with the last bit set where something was lost: rounding that to a narrower format is rounding once.
TG_MATH_FN float rounded_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const double back = static_cast<double>(nearest);
  const uint32_t bits = float_to_bits(nearest);
  const bool larger = math::fabs(back) > math::fabs(x);
  const uint32_t odd = larger ? bits - 1 : bits + 1;
  return (back != x) & (x == x) & ((bits & 1) == 0) ? bits_to_float(odd) : nearest;
}
TG_MATH_FN float rounded_to_odd(int32_t x) { return rounded_to_odd(static_cast<double>(x)); }
// Beyond 2^53 the low 11 bits shrink to one that says whether any was set.
TG_MATH_FN float rounded_to_odd(int64_t x) {
  const int64_t sticky = (x & ~int64_t{0x7ff}) | ((x & 0x7ff) != 0 ? 0x800 : 0);
  const bool exact = (x < (int64_t{1} << 53)) & (x > -(int64_t{1} << 53));
  return rounded_to_odd(static_cast<double>(exact ? x : sticky));
}

}  // namespace tilegrad
