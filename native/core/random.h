// Counter-based random numbers for host and device: Philox4x32-10 (Salmon et al., "Parallel Random
// Numbers: As Easy as 1, 2, 3", 2011) and what turns its words into uniform, normal and whole
// numbers.
//
// Element i of a tensor depends on key, offset and i alone. 16 consecutive blocks make a group of 64
// words, word w of lane l at place 16 w + l, so that vectors of any width up to 16 lanes store in
// order; 64-bit values take words 2h and 2h + 1 of a lane, at place 16 h + l of 32.
//
// Files that use this compile without contraction to FMA: the same bits on every processor.
#pragma once

#include "core/dtype.h"
#include "core/math.h"

namespace tilegrad::random {

constexpr int kLanes = 16;    // blocks in a group
constexpr int kWords = 64;    // 32-bit values in a group
constexpr int kDoubles = 32;  // 64-bit values in a group

constexpr uint32_t kMultiplier0 = 0xd2511f53u, kMultiplier1 = 0xcd9e8d57u;
constexpr uint32_t kWeyl0 = 0x9e3779b9u, kWeyl1 = 0xbb67ae85u;

/// Where a call reads its numbers: blocks offset, offset + 1, ... of the sequence of a key.
struct Sequence {
  uint32_t key[2];
  uint64_t offset;
};

struct Block {
  uint32_t words[4];
};

TG_MATH_FN Block philox(const Sequence& sequence, uint64_t index) {
  const uint64_t counter = sequence.offset + index;
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = 0, c3 = 0, k0 = sequence.key[0], k1 = sequence.key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{kMultiplier0} * c0, p1 = uint64_t{kMultiplier1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

TG_MATH_FN uint64_t join(uint32_t low, uint32_t high) {
  return static_cast<uint64_t>(high) << 32 | low;
}

/// [0, 1) on a grid of 2^-bits; bits <= 24.
TG_MATH_FN float unit_f32(uint32_t word, int bits) {
  return static_cast<float>(static_cast<int32_t>(word >> (32 - bits))) *
         bits_to_float(static_cast<uint32_t>(127 - bits) << 23);
}

/// [0, 1) on a grid of 2^-53: 27 bits of one word, 26 of the other.
TG_MATH_FN double unit_f64(uint32_t low, uint32_t high) {
  const double top = static_cast<double>(static_cast<int32_t>(high >> 5));
  const double rest = static_cast<double>(static_cast<int32_t>(low >> 6));
  return (top * 67108864.0 + rest) * 0x1p-53;
}

/// floor(word range / 2^bits of the word): a whole number below range.
TG_MATH_FN uint64_t below_32(uint32_t word, uint64_t range) { return (word * range) >> 32; }
TG_MATH_FN uint64_t below_64(uint64_t word, uint64_t range) {
  const uint64_t low = (word & 0xffffffffu) * (range & 0xffffffffu);
  const uint64_t middle = (word >> 32) * (range & 0xffffffffu) + (low >> 32);
  const uint64_t other = (word & 0xffffffffu) * (range >> 32) + (middle & 0xffffffffu);
  return (word >> 32) * (range >> 32) + (middle >> 32) + (other >> 32);
}
/// Whether 32 bits do for the range: no value's chance is off by more than 2^-16 of it.
TG_MATH_FN bool fits_word(uint64_t range) {
  return range <= (uint64_t{1} << 16) ||
         (range <= (uint64_t{1} << 32) && (range & (range - 1)) == 0);
}

/// Bits that hold the numbers below n, at least 1.
TG_MATH_FN int index_bits(int64_t n) {
  int bits = 1;
  while ((n - 1) >> bits > 0) ++bits;
  return bits;
}

/// The 64 bits drawn for i, words 2 (i % 2) and the next of block i / 2, with i itself in the lowest.
TG_MATH_FN uint64_t permutation_key(uint64_t drawn, int64_t i, int bits) {
  return drawn >> bits << bits | static_cast<uint64_t>(i);
}

// ---- normal numbers ---------------------------------------------------------------------------------

// log u for u in [2^-40, 1]: u = 2^e m, m in [sqrt 1/2, sqrt 2), s = (m - 1) / (m + 1),
// log m = 2 s (1 + w/3 + w^2/5 + ...), w = s^2 <= 0.0295.
TG_MATH_FN float log_unit(float u) {
  const uint32_t bits = float_to_bits(u);
  const int32_t e = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  const float m = bits_to_float(bits - (static_cast<uint32_t>(e) << 23));
  const float s = (m - 1.0f) / (m + 1.0f);
  const float w = s * s;
  float p = w * 0.111111111f + 0.142857143f;
  p = p * w + 0.2f;
  p = p * w + 0.333333333f;
  const float twice = s + s;
  return static_cast<float>(e) * 0.693147181f + (twice + twice * (w * p));
}

TG_MATH_FN double log_unit(double u) {
  const uint64_t bits = __builtin_bit_cast(uint64_t, u);
  const uint64_t half = 0x3fe6a09e667f3bcdu;
  const int64_t e = static_cast<int64_t>(bits - half) >> 52;
  const double m = __builtin_bit_cast(double, bits - (static_cast<uint64_t>(e) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double w = s * s;
  double p = w * (1.0 / 23) + 1.0 / 21;
  p = p * w + 1.0 / 19;
  p = p * w + 1.0 / 17;
  p = p * w + 1.0 / 15;
  p = p * w + 1.0 / 13;
  p = p * w + 1.0 / 11;
  p = p * w + 1.0 / 9;
  p = p * w + 1.0 / 7;
  p = p * w + 1.0 / 5;
  p = p * w + 1.0 / 3;
  const double twice = s + s;
  return static_cast<double>(static_cast<int32_t>(e)) * 0.69314718055994530942 +
         (twice + twice * (w * p));
}

// Taylor series on |x| <= pi / 4.
TG_MATH_FN void sin_cos_octant(float x, float* sin, float* cos) {
  const float u = x * x;
  float s = u * 2.75573192e-6f - 1.98412698e-4f;
  s = s * u + 8.33333333e-3f;
  s = s * u - 0.166666667f;
  *sin = x + x * (u * s);
  float c = u * -2.75573192e-7f + 2.48015873e-5f;
  c = c * u - 1.38888889e-3f;
  c = c * u + 4.16666667e-2f;
  *cos = 1.0f - (0.5f * u - u * u * c);
}

TG_MATH_FN void sin_cos_octant(double x, double* sin, double* cos) {
  const double u = x * x;
  double s = u * (1.0 / 355687428096000) - 1.0 / 1307674368000;
  s = s * u + 1.0 / 6227020800;
  s = s * u - 1.0 / 39916800;
  s = s * u + 1.0 / 362880;
  s = s * u - 1.0 / 5040;
  s = s * u + 1.0 / 120;
  s = s * u - 1.0 / 6;
  *sin = x + x * (u * s);
  double c = u * (-1.0 / 6402373705728000) + 1.0 / 20922789888000;
  c = c * u - 1.0 / 87178291200;
  c = c * u + 1.0 / 479001600;
  c = c * u - 1.0 / 3628800;
  c = c * u + 1.0 / 40320;
  c = c * u - 1.0 / 720;
  c = c * u + 1.0 / 24;
  *cos = 1.0 - (0.5 * u - u * u * c);
}

// The angle is quarter + f of quarter turns, f in [-1/2, 1/2]: turned by swapping and negating.
template <class F>
TG_MATH_FN void turn(uint32_t quarter, F sin, F cos, F radius, F* first, F* second) {
  const F x = (quarter & 1) != 0 ? sin : cos, y = (quarter & 1) != 0 ? cos : sin;
  *first = ((quarter + 1) & 2) != 0 ? -(radius * x) : radius * x;
  *second = (quarter & 2) != 0 ? -(radius * y) : radius * y;
}

/// Two independent standard normal numbers (Box and Muller); none is beyond 6.7.
TG_MATH_FN void normal_pair(uint32_t a, uint32_t b, float* first, float* second) {
  const float u = static_cast<float>(static_cast<int32_t>(a >> 1)) * 0x1p-31f + 0x1p-32f;
  const float radius = math::sqrt(-2.0f * log_unit(u));
  const uint32_t quarter = (b + 0x20000000u) >> 30;
  const float f = static_cast<float>(static_cast<int32_t>(b - (quarter << 30))) * 0x1p-30f;
  float sin, cos;
  sin_cos_octant(f * 1.57079633f, &sin, &cos);
  turn(quarter, sin, cos, radius, first, second);
}

/// The same from four words in f64; none is beyond 8.6.
TG_MATH_FN void normal_pair(const uint32_t (&words)[4], double* first, double* second) {
  const double u = unit_f64(words[0], words[1]) + 0x1p-53;
  const double radius = math::sqrt(-2.0 * log_unit(u));
  const uint32_t quarter = (words[3] + 0x20000000u) >> 30;
  // 30 signed bits of the high word, 26 of the low one.
  const double high = static_cast<double>(static_cast<int32_t>(words[3] - (quarter << 30)));
  const double low = static_cast<double>(static_cast<int32_t>(words[2] >> 6));
  const double f = (high * 67108864.0 + low) * 0x1p-56;
  double sin, cos;
  sin_cos_octant(f * 1.57079632679489661923, &sin, &cos);
  turn(quarter, sin, cos, radius, first, second);
}

}  // namespace tilegrad::random
