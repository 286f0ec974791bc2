// int8_pack_simd.cc in vectors of 8 groups, for the instruction sets that have AVX2. Sums of bytes come from VPMADDUBSW and
// VPMADDWD with ones, so the sums of pairs that the check is about come for free.
#pragma once

#include "core/cpu/int8_gemm_simd.h"
#include "core/cpu/simd.h"

#define TG_INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

TG_SIMD __m256i first_lanes(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}

// The sums of neighbouring pairs of signed bytes, and of the positive and the negative ones alone their extremes.
struct PairRange {
  __m256i up, down;  // s16
};
TG_SIMD __m256i pair_sums(__m256i bytes, PairRange& range) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1);
  const __m256i up = _mm256_maddubs_epi16(_mm256_max_epi8(bytes, zero), ones);
  const __m256i down = _mm256_maddubs_epi16(ones, _mm256_min_epi8(bytes, zero));
  range.up = _mm256_max_epi16(range.up, up);
  range.down = _mm256_min_epi16(range.down, down);
  return _mm256_add_epi16(up, down);
}

// 8 columns, from column w on, through all of k. Takes groups of 4 neighbours along k as they were read.
template <bool Words, bool Signed>
class WideStrip {
 public:
  TG_INLINE WideStrip(const PackInt8& p, int w)
      : p_(p),
        out_(p.out + w),
        lanes_(p.pitch - w < 8 ? p.pitch - w : 8),
        // What a whole vector writes beyond a narrow panel's group belongs to the next group, which follows.
        free_(p.pitch <= 8  ? p.pitch * (Words ? (p.depth + 1) / 2 : (p.depth + 3) / 4) - 8
              : lanes_ == 8 ? INT64_MAX
                            : -1),
        flip_(_mm256_set1_epi8(p.flip ? -128 : 0)),
        exists_(first_lanes(p.width - w)) {}

  // Of group `group`, of which `deep` neighbours exist.
  TG_INLINE void put(int64_t group, __m256i v, int64_t deep) {
    v = _mm256_and_si256(_mm256_xor_si256(v, flip_), exists_);
    if (deep < 4) v = _mm256_and_si256(v, _mm256_set1_epi32((1 << (8 * deep)) - 1));
    const __m256i ones = _mm256_set1_epi8(1), wide_ones = _mm256_set1_epi16(1);
    __m256i pairs;
    if constexpr (!Signed) {
      pairs = _mm256_maddubs_epi16(v, ones);
    } else {
      pairs = p_.check ? pair_sums(v, range_) : _mm256_maddubs_epi16(ones, v);
    }
    sums_ = _mm256_add_epi32(sums_, _mm256_madd_epi16(pairs, wide_ones));
    if constexpr (!Words) return store(group, v);
    store(2 * group, widened(v, 0));
    if (deep > 2) store(2 * group + 1, widened(v, 2));
  }

  // True unless a pair of neighbours could saturate: 255 (p + q) <= 32767 and >= -32768.
  TG_INLINE bool finish() {
    _mm256_maskstore_epi32(p_.sums + (out_ - p_.out), first_lanes(lanes_), sums_);
    const __m256i bad = _mm256_or_si256(_mm256_cmpgt_epi16(range_.up, _mm256_set1_epi16(128)),
                                        _mm256_cmpgt_epi16(_mm256_set1_epi16(-128), range_.down));
    return _mm256_testz_si256(bad, bad);
  }

 private:
  // Bytes `first` and the next of each group as words.
  TG_INLINE static __m256i widened(__m256i v, char first) {
    const char a = first, b = static_cast<char>(first + 1);
    const __m128i steps = _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    const char no = -128;
    const __m128i taken =
        Signed ? _mm_setr_epi8(no, a, no, b, no, a, no, b, no, a, no, b, no, a, no, b)
               : _mm_setr_epi8(a, no, b, no, a, no, b, no, a, no, b, no, a, no, b, no);
    const __m256i order = _mm256_broadcastsi128_si256(_mm_add_epi8(taken, steps));
    const __m256i words = _mm256_shuffle_epi8(v, order);
    return Signed ? _mm256_srai_epi16(words, 8) : words;
  }

  TG_INLINE void store(int64_t group, __m256i v) {
    const int64_t at = group * p_.pitch;
    if (at <= free_) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out_ + at), v);
    } else {
      _mm256_maskstore_epi32(reinterpret_cast<int*>(out_ + at), first_lanes(lanes_), v);
    }
  }

  const PackInt8& p_;
  uint32_t* const out_;
  const int lanes_;
  const int64_t free_;  // up to here in `out_` whole vectors may be stored
  const __m256i flip_, exists_;
  __m256i sums_ = _mm256_setzero_si256();
  PairRange range_ = {_mm256_setzero_si256(), _mm256_setzero_si256()};
};

TG_SIMD __m128i load_first(const uint8_t* p, int64_t n) {
  if (n >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint8_t bytes[16] = {};
  for (int64_t i = 0; i < n; ++i) bytes[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}
TG_SIMD __m256i load_first_32(const uint8_t* p, int64_t n) {
  if (n >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm256_setr_m128i(load_first(p, n), load_first(p + 16, n - 16));
}

// Contiguous along the width: 4 rows of 16 bytes are interleaved to 16 groups.
template <bool Words, bool Signed>
bool pack_across_wide(const PackInt8& p) {
  bool fits = true;
  for (int w = 0; w < p.pitch; w += 16) {
    WideStrip<Words, Signed> low(p, w), high(p, w + 8);
    const bool two = w + 8 < p.pitch;
    for (int64_t k = 0; k < p.depth; k += 4) {
      const int64_t deep = p.depth - k;
      const uint8_t* in = p.in + k * p.depth_stride + w;
      __m128i row[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        row[i] = i < deep ? load_first(in + i * p.depth_stride, p.width - w) : _mm_setzero_si128();
      const __m128i low01 = _mm_unpacklo_epi8(row[0], row[1]),
                    high01 = _mm_unpackhi_epi8(row[0], row[1]);
      const __m128i low23 = _mm_unpacklo_epi8(row[2], row[3]),
                    high23 = _mm_unpackhi_epi8(row[2], row[3]);
      low.put(k / 4,
              _mm256_setr_m128i(_mm_unpacklo_epi16(low01, low23), _mm_unpackhi_epi16(low01, low23)),
              deep);
      if (two)
        high.put(k / 4,
                 _mm256_setr_m128i(_mm_unpacklo_epi16(high01, high23),
                                   _mm_unpackhi_epi16(high01, high23)),
                 deep);
    }
    fits &= low.finish();
    if (two) fits &= high.finish();
  }
  return fits;
}

// row[i] lane j to row[j] lane i.
TG_SIMD void transpose_groups(__m256i (&row)[8]) {
  __m256i a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    row[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    row[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// Contiguous along k: blocks of 8 columns by 8 groups are transposed.
template <bool Words, bool Signed>
bool pack_along_wide(const PackInt8& p) {
  bool fits = true;
  for (int w = 0; w < p.pitch; w += 8) {
    WideStrip<Words, Signed> strip(p, w);
    for (int64_t k = 0; k < p.depth; k += 32) {
      const int64_t deep = p.depth - k;
      __m256i row[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        row[i] = w + i < p.width ? load_first_32(p.in + (w + i) * p.width_stride + k, deep)
                                 : _mm256_setzero_si256();
      }
      transpose_groups(row);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        if (4 * i < deep) strip.put(k / 4 + i, row[i], deep - 4 * i);
      }
    }
    fits &= strip.finish();
  }
  return fits;
}

}  // namespace
}  // namespace tilegrad::TILEGRAD_ISA

#undef TG_INLINE
