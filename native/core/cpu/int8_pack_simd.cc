// Packs one panel of bytes into 32-bit groups. Contiguous along the width, four rows are interleaved in registers;
// contiguous along k, blocks of 4 x 4 groups are transposed (with AVX2 8 x 8); else it goes byte by byte. Sums of the held
// values come along.
#include "core/cpu/int8_gemm_simd.h"
#include "core/cpu/simd.h"

#if defined(__AVX2__)
#include "core/cpu/int8_pack_avx2.h"
#endif

#define INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef uint16_t Words8 __attribute__((vector_size(16)));
typedef int16_t Signed8 __attribute__((vector_size(16)));
typedef uint32_t Groups4 __attribute__((vector_size(16)));

constexpr uint32_t kFlip = 0x80808080u;

TG_SIMD Bytes16 load_bytes(const uint8_t* p, int64_t n) {
  Bytes16 v = {};
  if (n >= 16) {
    __builtin_memcpy(&v, p, 16);
  } else {
    for (int i = 0; i < n; ++i) v[i] = p[i];
  }
  return v;
}

// S vectors of columns, from column w on, through all of k. Takes groups as they were read, with zeros where nothing was:
// flips, sums, checks and stores them.
template <int S, bool Words, bool Signed>
class Strip {
 public:
  INLINE Strip(const PackInt8& p, int w) : p_(p), out_(p.out + w), w_(w) {
    for (int s = 0; s < S; ++s) {
      const Groups4 column = Groups4{0, 1, 2, 3} + static_cast<uint32_t>(w + 4 * s);
      exists_[s] = (Groups4)(column < static_cast<uint32_t>(p.width));
    }
    if (p.flip) flip_ += kFlip;
  }

  // Vector s of group `group`, of which `deep` of 4 neighbours along k exist.
  INLINE void put(int64_t group, int s, Groups4 v, int64_t deep) {
    v = (v ^ flip_) & exists_[s];
    if (deep < 4) v &= (1u << (8 * deep)) - 1;
    // Signed bytes are summed and widened as unsigned ones, 128 too large.
    const Groups4 u = Signed ? v ^ kFlip : v;
    pairs_[s] += (u & 0x00ff00ffu) + ((u >> 8) & 0x00ff00ffu);
    if (Signed && p_.check) check_pairs(v);
    if (!Words) return store_groups(group, s, v);
    const Words8 shift = Words8{} + static_cast<uint16_t>(Signed ? 128 : 0);
    const Groups4 low = (u & 0xffu) | ((u & 0xff00u) << 8);
    const Groups4 high = ((u >> 16) & 0xffu) | ((u >> 24) << 16);
    store_groups(2 * group, s, (Groups4)((Words8)low - shift));
    if (deep > 2) store_groups(2 * group + 1, s, (Groups4)((Words8)high - shift));
  }

  // Call at least every 128 groups: a half of `pairs_` grows by up to 510 each time.
  INLINE void flush() {
    for (int s = 0; s < S; ++s) {
      const Groups4 sum = (pairs_[s] & 0xffffu) + (pairs_[s] >> 16);
      for (int i = 0; i < 4 && w_ + 4 * s + i < p_.pitch; ++i) add(w_ + 4 * s + i, sum[i]);
      pairs_[s] = Groups4{};
    }
  }

  // True unless a pair of neighbours could saturate.
  INLINE bool finish() {
    flush();
    const uint32_t shift = Signed ? 128 * static_cast<uint32_t>((p_.depth + 3) / 4 * 4) : 0;
    for (int w = w_; w < p_.pitch && w < w_ + 4 * S; ++w) add(w, 0u - shift);
    typedef int64_t Halves __attribute__((vector_size(16)));
    return (((Halves)bad_)[0] | ((Halves)bad_)[1]) == 0;
  }

 private:
  // Modulo 2^32, as the product.
  INLINE void add(int w, uint32_t x) {
    p_.sums[w] = static_cast<int32_t>(static_cast<uint32_t>(p_.sums[w]) + x);
  }

  // 255 (p + q) <= 32767 and >= -32768 for the positive and the negative parts of a pair.
  INLINE void check_pairs(Groups4 v) {
    const Signed8 x = (Signed8)v, zero = {};
    const Signed8 odd = x >> 8, even = (Signed8)((Words8)x << 8) >> 8;
    const Signed8 up = (odd > zero ? odd : zero) + (even > zero ? even : zero);
    const Signed8 down = (odd < zero ? odd : zero) + (even < zero ? even : zero);
    bad_ |= (up > 128) | (down < -128);
  }

  INLINE void store_groups(int64_t group, int s, Groups4 v) {
    uint32_t* out = out_ + group * p_.pitch + 4 * s;
    if (w_ + 4 * s + 4 <= p_.pitch) {
      __builtin_memcpy(out, &v, 16);
    } else {
      for (int i = 0; w_ + 4 * s + i < p_.pitch; ++i) out[i] = v[i];
    }
  }

  const PackInt8& p_;
  uint32_t* out_;
  int w_;
  Groups4 flip_ = {};
  Groups4 exists_[S] = {};
  Groups4 pairs_[S] = {};
  Signed8 bad_ = {};
};

constexpr int64_t kFlushDepth = 4 * 128;

#if !defined(__AVX2__)
// Four rows of 16 bytes: byte i of each makes group i.
template <bool Words, bool Signed>
TG_SIMD bool pack_across(const PackInt8& p) {
  constexpr Bytes16 kLow = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  constexpr Bytes16 kHigh = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  constexpr Words8 kLowWords = {0, 8, 1, 9, 2, 10, 3, 11};
  constexpr Words8 kHighWords = {4, 12, 5, 13, 6, 14, 7, 15};
  bool fits = true;
  for (int w = 0; w < p.pitch; w += 16) {
    Strip<4, Words, Signed> strip(p, w);
    const int vectors = (p.pitch - w + 3) / 4;
    for (int64_t k = 0; k < p.depth; k += 4) {
      if (k % kFlushDepth == 0) strip.flush();
      const int64_t deep = p.depth - k;
      Bytes16 row[4] = {};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if (i < deep) row[i] = load_bytes(p.in + (k + i) * p.depth_stride + w, p.width - w);
      }
      const Words8 low01 = (Words8)__builtin_shuffle(row[0], row[1], kLow);
      const Words8 high01 = (Words8)__builtin_shuffle(row[0], row[1], kHigh);
      const Words8 low23 = (Words8)__builtin_shuffle(row[2], row[3], kLow);
      const Words8 high23 = (Words8)__builtin_shuffle(row[2], row[3], kHigh);
      strip.put(k / 4, 0, (Groups4)__builtin_shuffle(low01, low23, kLowWords), deep);
      if (vectors > 1)
        strip.put(k / 4, 1, (Groups4)__builtin_shuffle(low01, low23, kHighWords), deep);
      if (vectors > 2)
        strip.put(k / 4, 2, (Groups4)__builtin_shuffle(high01, high23, kLowWords), deep);
      if (vectors > 3)
        strip.put(k / 4, 3, (Groups4)__builtin_shuffle(high01, high23, kHighWords), deep);
    }
    fits &= strip.finish();
  }
  return fits;
}

// Blocks of 4 rows of 4 groups are transposed.
template <bool Words, bool Signed>
TG_SIMD bool pack_along(const PackInt8& p) {
  constexpr Groups4 kLow = {0, 4, 1, 5}, kHigh = {2, 6, 3, 7};
  constexpr Groups4 kFirst = {0, 1, 4, 5}, kSecond = {2, 3, 6, 7};
  bool fits = true;
  for (int w = 0; w < p.pitch; w += 4) {
    Strip<1, Words, Signed> strip(p, w);
    for (int64_t k = 0; k < p.depth; k += 16) {
      if (k % kFlushDepth == 0) strip.flush();
      const int64_t deep = p.depth - k;
      Groups4 row[4] = {};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if (w + i < p.width)
          row[i] = (Groups4)load_bytes(p.in + (w + i) * p.width_stride + k, deep);
      }
      const Groups4 low01 = __builtin_shuffle(row[0], row[1], kLow);
      const Groups4 high01 = __builtin_shuffle(row[0], row[1], kHigh);
      const Groups4 low23 = __builtin_shuffle(row[2], row[3], kLow);
      const Groups4 high23 = __builtin_shuffle(row[2], row[3], kHigh);
      strip.put(k / 4, 0, __builtin_shuffle(low01, low23, kFirst), deep);
      if (deep > 4) strip.put(k / 4 + 1, 0, __builtin_shuffle(low01, low23, kSecond), deep - 4);
      if (deep > 8) strip.put(k / 4 + 2, 0, __builtin_shuffle(high01, high23, kFirst), deep - 8);
      if (deep > 12) strip.put(k / 4 + 3, 0, __builtin_shuffle(high01, high23, kSecond), deep - 12);
    }
    fits &= strip.finish();
  }
  return fits;
}

#endif  // without AVX2

template <bool Words, bool Signed>
TG_SIMD bool pack_each(const PackInt8& p) {
  bool fits = true;
  for (int w = 0; w < p.pitch; w += 4) {
    Strip<1, Words, Signed> strip(p, w);
    for (int64_t k = 0; k < p.depth; k += 4) {
      if (k % kFlushDepth == 0) strip.flush();
      const int64_t deep = p.depth - k;
      Groups4 v = {};
      for (int i = 0; i < 4 && w + i < p.width; ++i) {
        uint32_t group = 0;
        for (int j = 0; j < 4 && j < deep; ++j) {
          const uint8_t byte = p.in[(w + i) * p.width_stride + (k + j) * p.depth_stride];
          group |= static_cast<uint32_t>(byte) << (8 * j);
        }
        v[i] = group;
      }
      strip.put(k / 4, 0, v, deep);
    }
    fits &= strip.finish();
  }
  return fits;
}

template <bool Words, bool Signed>
__attribute__((noinline)) static bool pack(const PackInt8& p) {
#if defined(__AVX2__)
  if (p.width_stride == 1) return pack_across_wide<Words, Signed>(p);
  if (p.depth_stride == 1) return pack_along_wide<Words, Signed>(p);
#else
  if (p.width_stride == 1) return pack_across<Words, Signed>(p);
  if (p.depth_stride == 1) return pack_along<Words, Signed>(p);
#endif
  return pack_each<Words, Signed>(p);
}

}  // namespace

bool pack_int8_panel(const PackInt8& p) {
  for (int w = 0; w < p.pitch; ++w) p.sums[w] = 0;
  if (p.hold_signed) return p.words ? pack<true, true>(p) : pack<false, true>(p);
  return p.words ? pack<true, false>(p) : pack<false, false>(p);
}

}  // namespace tilegrad::TILEGRAD_ISA
