// The rarer f32 functions on the host, computed in f64: arguments and results are f32 values, the
// relative error is below 2^-32 before the last rounding, so short polynomials and plain formulas
// give f32 to the last bit. Branch-free, so a loop over them vectorises in a *_simd.cc file.
#pragma once

#include "core/math_f32.h"

namespace tilegrad::math {
namespace via_f64 {

constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
constexpr double kPi = 3.14159265358979323846;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kInf = __builtin_inf();
constexpr double kNan = __builtin_nan("");

TG_HOST int64_t bits(double x) { return __builtin_bit_cast(int64_t, x); }
TG_HOST double from_bits(int64_t b) { return __builtin_bit_cast(double, b); }
TG_HOST double magnitude(double x) { return from_bits(bits(x) & INT64_MAX); }
TG_HOST double copy_sign(double size, double sign) {
  return from_bits((bits(size) & INT64_MAX) | (bits(sign) & INT64_MIN));
}
TG_HOST double round_even(double x) { return (x + kMagic) - kMagic; }  // |x| < 2^51
TG_HOST double clamp(double x, double low, double high) {
  x = x > high ? high : x;
  return x < low ? low : x;
}

// 2^n e^r for |n| <= 1000, |r| <= 0.35; `shifted` holds n in its low bits.
TG_HOST double scaled_exp(double shifted, double r) {
  double p = r * 2.761877702984586687e-6 + 0.00002486920416652336983;
  p = p * r + 0.0001984122276135343583;
  p = p * r + 0.001388883708766720795;
  p = p * r + 0.008333333344872033808;
  p = p * r + 0.04166666679362805862;
  p = p * r + 0.1666666666666224841;
  p = p * r + 0.4999999999995138526;
  p = p * (r * r) + r + 1.0;
  const uint64_t exponent = static_cast<uint64_t>(bits(shifted)) + 1023;
  return p * from_bits(static_cast<int64_t>(exponent << 52));
}

// Saturates beyond |x| = 600, far outside f32.
TG_HOST double exp(double x) {
  x = clamp(x, -600.0, 600.0);
  const double shifted = x * 1.44269504088896340736 + kMagic;
  return scaled_exp(shifted, x - (shifted - kMagic) * kLn2);
}

TG_HOST double exp2(double x) {
  x = clamp(x, -800.0, 800.0);
  const double shifted = x + kMagic;
  return scaled_exp(shifted, (x - (shifted - kMagic)) * kLn2);
}

// x = 2^e m, m in [sqrt 1/2, sqrt 2), s = (m - 1) / (m + 1): log m = 2 atanh s. Zero, negatives,
// infinity and NaN as libm; no subnormal f64 (f32 has none there).
struct Log {
  double e, log_m;
};
TG_HOST Log log_parts(double x) {
  const uint64_t half = 0x3fe6a09e667f3bcd;
  const uint64_t b = static_cast<uint64_t>(bits(x)) + (0x3ff0000000000000 - half);
  const double m = from_bits(static_cast<int64_t>((b & 0x000fffffffffffff) + half));
  const double e =
      from_bits(static_cast<int64_t>((b >> 52) | 0x4330000000000000)) - 4503599627371519.0;
  const double s = (m - 1.0) / (m + 1.0);
  const double w = s * s;
  double p = w * 0.1662900288451272354 + 0.1813971689908728967;
  p = p * w + 0.2222287321930091143;
  p = p * w + 0.2857142403753306967;
  p = p * w + 0.4000000001152478245;
  p = p * w + 0.6666666666666192698;
  return {e, s * (2.0 + w * p)};
}
TG_HOST double log_special(double x, double y) {
  y = x == kInf ? x : y;
  y = x == 0.0 ? -kInf : y;
  y = x < 0.0 ? kNan : y;
  return x != x ? x : y;
}
TG_HOST double log(double x) {
  const Log parts = log_parts(x);
  return log_special(x, parts.e * kLn2 + parts.log_m);
}
TG_HOST double log2(double x) {
  const Log parts = log_parts(x);
  return log_special(x, parts.e + parts.log_m * 1.44269504088896340736);
}

TG_HOST double log10(double x) { return log(x) * 0.43429448190325182765; }

// log(1 + x), exact in relative terms for small x.
TG_HOST double log1p(double x) {
  const double near = x * (1.0 + x * (-0.5 + x * (0.33333333333333333 - 0.25 * x)));
  return magnitude(x) < 1e-3 ? near : log(1.0 + x);
}

TG_HOST double expm1(double x) {
  const double near = x * (1.0 + x * (0.5 + x * (0.16666666666666666 + x * 0.041666666666666664)));
  return magnitude(x) < 1e-3 ? near : exp(x) - 1.0;
}

// x = (n + r) pi / 2, |r| <= 1/2. 2 / pi is cut into 24-bit pieces, so each product with an f32 is
// exact in f64 and can be reduced modulo 4 before it is added: right up to the largest f32.
struct Quadrant {
  double n, r;
};
TG_HOST Quadrant reduce_piece(Quadrant q, double x, double piece) {
  double product = x * piece;
  const double multiple = round_even(product * 0.25) * 4.0;
  product = magnitude(product) < 9007199254740992.0 ? product - multiple
                                                    : 0.0;  // beyond 2^53: a multiple of 4
  const double sum = q.r + product;
  const double whole = round_even(sum);
  return {q.n + whole, sum - whole};
}
TG_HOST Quadrant reduce_quadrant(double x) {
  Quadrant q = {0.0, -(x - x)};  // NaN for infinities; else -0, so that -0 stays
  q = reduce_piece(q, x, 10680707.0 * 0x1p-24);
  q = reduce_piece(q, x, 7228996.0 * 0x1p-48);
  q = reduce_piece(q, x, 1387004.0 * 0x1p-72);
  q = reduce_piece(q, x, 2578385.0 * 0x1p-96);
  q = reduce_piece(q, x, 16069853.0 * 0x1p-120);
  q = reduce_piece(q, x, 12639074.0 * 0x1p-144);
  q = reduce_piece(q, x, 9804092.0 * 0x1p-168);
  return reduce_piece(q, x, 4427841.0 * 0x1p-192);
}

struct SinCos {
  double sin, cos;
};
TG_HOST SinCos sin_cos(double x) {
  const Quadrant q = reduce_quadrant(x);
  const double r = q.r * (kPi / 2);
  const double u = r * r;
  double p = u * -2.48043837498997384e-8 + 2.755597737311976445e-6;
  p = p * u - 0.0001984126687206717092;
  p = p * u + 0.008333333331032915591;
  p = p * u - 0.1666666666666381432;
  const double s = r * (1.0 + u * p);
  double c = u * -2.729965631187939546e-7 + 0.00002480059030366645396;
  c = c * u - 0.001388888765332282685;
  c = c * u + 0.04166666666427301185;
  c = 1.0 - 0.5 * u + u * u * c;
  const int64_t n = bits(q.n + kMagic);
  const double sine = (n & 1) != 0 ? c : s;
  const double cosine = (n & 1) != 0 ? s : c;
  return {(n & 2) != 0 ? -sine : sine, ((n + 1) & 2) != 0 ? -cosine : cosine};
}

TG_HOST double sin(double x) { return sin_cos(x).sin; }
TG_HOST double cos(double x) { return sin_cos(x).cos; }
TG_HOST double tan(double x) {
  const SinCos both = sin_cos(x);
  return both.sin / both.cos;
}

// Up to here n has 20 bits, and so n times the first 33 of pi / 2 is exact in f64.
constexpr float kNearLimit = 1e6f;

// The same in f32 for |x| <= kNearLimit, of which a loop takes a third of the time: only what is left of x after its
// multiple of pi / 2 needs f64. `turn`: quarters of a circle that are added.
TG_HOST float sine_near(float x, int32_t turn) {
  const float magic =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  const float shifted = x * 0.636619772f + magic;
  const double n = static_cast<double>(shifted - magic);
  const float r = static_cast<float>(static_cast<double>(x) - n * 1.5707963267341256142 -
                                     n * 6.0771005065061922e-11);
  const float u = r * r;
  float s = u * 2.7557319e-6f - 1.9841270e-4f;
  s = s * u + 8.3333333e-3f;
  s = s * u - 0.16666667f;
  s = r * (s * u + 1.0f);  // -0 stays
  float c = u * 2.4433157e-5f - 1.3887316e-3f;
  c = c * u + 4.1666646e-2f;
  c = c * u - 0.5f;
  c = c * u + 1.0f;
  const int32_t quadrant = f32::bits(shifted) + turn;
  const int32_t sign = (quadrant << 30) & INT32_MIN;
  return f32::from_bits<float>(f32::bits((quadrant & 1) != 0 ? c : s) ^ sign);
}

// atan on [0, 1].
TG_HOST double atan_unit(double z) {
  const double u = z * z;
  double p = u * -0.0009362994719496014968 + 0.00620725453378005037;
  p = p * u - 0.01926108132276588265;
  p = p * u + 0.0383274459830648436;
  p = p * u - 0.05760716083128117321;
  p = p * u + 0.07417496964300510524;
  p = p * u - 0.09036742342070781197;
  p = p * u + 0.1110470678864421906;
  p = p * u - 0.142853179639073033;
  p = p * u + 0.199999902759472717;
  p = p * u - 0.3333333329330117353;
  return z + z * u * p;
}

// asin on [0, 1/2].
TG_HOST double asin_half(double z) {
  const double u = z * z;
  double p = u * 0.02836014394578523364 + 0.00105499484380437428;
  p = p * u + 0.01686881267929701771;
  p = p * u + 0.01690176112688145194;
  p = p * u + 0.02241251693593384217;
  p = p * u + 0.03037993946435736205;
  p = p * u + 0.0446429066364168967;
  p = p * u + 0.07499999953258117702;
  p = p * u + 0.1666666666673892651;
  return z + z * u * p;
}

TG_HOST double asin(double x) {
  const double a = magnitude(x);
  const bool far = a > 0.5;
  const double half = asin_half(far ? __builtin_sqrt((1.0 - a) * 0.5) : a);
  return copy_sign(far ? kPi / 2 - 2.0 * half : half, x);
}

TG_HOST double acos(double x) {
  const double a = magnitude(x);
  const bool far = a > 0.5;
  const double half = asin_half(far ? __builtin_sqrt((1.0 - a) * 0.5) : a);
  const double side = far ? 2.0 * half : kPi / 2 - half;  // acos |x|
  return x < 0.0 ? kPi - side : side;
}

TG_HOST double atan(double x) {
  const double a = magnitude(x);
  const bool far = a > 1.0;
  const double p = atan_unit(far ? 1.0 / a : a);
  return copy_sign(far ? kPi / 2 - p : p, x);
}

TG_HOST double atan2(double y, double x) {
  const double ay = magnitude(y), ax = magnitude(x);
  const bool steep = ay > ax;
  const double top = steep ? ax : ay, bottom = steep ? ay : ax;
  double z = top / bottom;
  z = bottom == 0.0 ? 0.0 : z;
  z = top == kInf ? 1.0 : z;
  double angle = atan_unit(z);
  angle = steep ? kPi / 2 - angle : angle;
  angle = bits(x) < 0 ? kPi - angle : angle;
  angle = copy_sign(angle, y);
  return (x != x) | (y != y) ? kNan : angle;
}

// exp(-x^2) times a polynomial in t = 1 / (1 + |x| / 2).
TG_HOST double erfc(double x) {
  const double a = clamp(magnitude(x), 0.0, 12.0);
  const double t = 1.0 / (1.0 + 0.5 * a);
  double p = t * 0.01166856906209728598 - 0.1212217630394305466;
  p = p * t + 0.5460791605819413667;
  p = p * t - 1.392098632372598252;
  p = p * t + 2.176224264267936631;
  p = p * t - 2.102824157953234359;
  p = p * t + 1.256850377381363599;
  p = p * t - 0.6027779469315692283;
  p = p * t + 0.2801220340734982709;
  p = p * t + 0.1301521551593492401;
  p = p * t + 0.2544076756434123739;
  p = p * t + 0.2812719577746185077;
  p = p * t + 0.2821478392680568125;
  p = p * t - 1.532920920717344506e-6;
  const double y = p * exp(-a * a);
  return x < 0.0 ? 2.0 - y : y;
}

TG_HOST double sinh(double x) {
  const double u = x * x;
  const double near = x * (1.0 + u * (0.16666666666666666 + u * 0.008333333333333333));
  const double e = exp(x);
  return magnitude(x) < 0.02 ? near : (e - 1.0 / e) * 0.5;
}

TG_HOST double cosh(double x) {
  const double e = exp(x);
  return (e + 1.0 / e) * 0.5;
}

TG_HOST double asinh(double x) {
  const double u = x * x;
  const double near = x * (1.0 + u * (-0.16666666666666666 + u * 0.075));
  const double far = log(magnitude(x) + __builtin_sqrt(u + 1.0));
  return u < 4e-4 ? near : copy_sign(far, x);
}

// The first root makes NaN of every x < 1.
TG_HOST double acosh(double x) {
  return log(x + __builtin_sqrt(x - 1.0) * __builtin_sqrt(x + 1.0));
}

TG_HOST double atanh(double x) {
  const double u = x * x;
  const double near = x * (1.0 + u * (0.33333333333333333 + u * (0.2 + u * 0.14285714285714285)));
  return u < 4e-4 ? near : 0.5 * log((1.0 + x) / (1.0 - x));
}

// C99's special cases: y = 0 and x = 1 give 1 whatever the other is; a negative base needs an
// integer exponent.
TG_HOST double pow(double x, double y) {
  const double a = magnitude(x);
  const double size = magnitude(y);
  const bool whole = (size >= 16777216.0) | (round_even(y) == y);
  const bool odd = whole & (size < 16777216.0) & (round_even(y * 0.5) * 2.0 != y);
  double z = exp2(y * log2(a));
  z = (a == 1.0) & (size == kInf) ? 1.0 : z;
  z = (bits(x) < 0) & odd ? -z : z;
  z = (x < 0.0) & (a != kInf) & !whole & (y == y) ? kNan : z;
  return (x == 1.0) | (y == 0.0) ? 1.0 : z;
}

}  // namespace via_f64

}  // namespace tilegrad::math
