// f64 functions on the host, branch-free, so that a loop over them vectorises in a *_simd.cc file; within 1 ULP over the
// whole range, subnormals, infinities and NaN included. libm's are those of math.h.
#pragma once

#include "core/math_via_f64.h"

namespace tilegrad::math::f64 {

// e^x = 2^n e^r, |r| <= ln 2 / 2, by the series of e^r up to r^13, whose rest is below 2^-57. 2^n is the product of two
// powers, since n goes from -1076 to 1024.
TG_HOST double exp(double x) {
  using via_f64::bits, via_f64::from_bits, via_f64::kMagic;
  const double c = via_f64::clamp(x, -746.0, 710.0);
  const double shifted = c * 1.44269504088896340736 + kMagic, n = shifted - kMagic;
  // The high part of ln 2 has 33 bits, so that its product with n is exact.
  const double r = (c - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = (r * r) * p + r + 1.0;
  const uint64_t twice =
      static_cast<uint64_t>(bits(shifted)) - static_cast<uint64_t>(bits(kMagic)) + 2048;
  const uint64_t one = twice >> 1, other = twice - one;  // exponents less 1024
  return p * from_bits(static_cast<int64_t>((one - 1) << 52)) *
         from_bits(static_cast<int64_t>((other - 1) << 52));
}

}  // namespace tilegrad::math::f64
