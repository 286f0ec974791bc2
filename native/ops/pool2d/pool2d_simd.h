// Short vectors of N lanes for the pooling kernels, whose rows are often shorter than a register, and the loads
// and stores that split and join even and odd columns.
#pragma once

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {

template <class T, int N>
struct LanesOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using Lanes = typename LanesOf<T, N>::type;
template <class T>
struct IntOf {
  using type = int32_t;
};
template <>
struct IntOf<double> {
  using type = int64_t;
};
template <class T, int N>
using LaneInts = Lanes<typename IntOf<T>::type, N>;

template <class T, int N>
TG_SIMD Lanes<T, N> load_lanes(const T* p) {
  Lanes<T, N> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T, int N>
TG_SIMD void store_lanes(T* p, Lanes<T, N> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Lanes first, first + 2, ... of a and b one after the other.
template <class T, int N>
TG_SIMD Lanes<T, N> every_second(Lanes<T, N> a, Lanes<T, N> b, int first) {
  LaneInts<T, N> from;
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) from[i] = 2 * i + first;
  return __builtin_shuffle(a, b, from);
}

// p[0], p[2], ..., p[2 N - 2] and no element beyond.
template <class T, int N>
TG_SIMD Lanes<T, N> load_even(const T* p) {
  LaneInts<T, N> from;
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) from[i] = 2 * i < N ? 2 * i : 2 * i + 1;
  return __builtin_shuffle(load_lanes<T, N>(p), load_lanes<T, N>(p + N - 1), from);
}

// p[0], p[stride], p[2 stride], ... Step is the stride where it is 1 or 2, else 0.
template <class T, int N, int Step>
TG_SIMD Lanes<T, N> load_step(const T* p, int64_t stride) {
  if constexpr (Step == 1) {
    return load_lanes<T, N>(p);
  } else if constexpr (Step == 2) {
    return load_even<T, N>(p);
  } else {
    Lanes<T, N> v;
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) v[i] = p[i * stride];
    return v;
  }
}

// a[0], b[0], a[1], b[1], ...
template <class T, int N>
TG_SIMD void store_interleaved(T* p, Lanes<T, N> a, Lanes<T, N> b) {
  LaneInts<T, N> low, high;
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    low[i] = i / 2 + (i & 1 ? N : 0);
    high[i] = low[i] + N / 2;
  }
  store_lanes<T, N>(p, __builtin_shuffle(a, b, low));
  store_lanes<T, N>(p + N, __builtin_shuffle(a, b, high));
}

// Whole numbers from 0 to 255 as bytes.
template <class T, int N>
TG_SIMD void store_bytes(uint8_t* p, LaneInts<T, N> v) {
#if defined(__AVX2__) && !defined(TILEGRAD_ISA_AVX512)
  // The compiler would convert lane by lane.
  if constexpr (sizeof(T) == 4) {
    __m128i words;
    if constexpr (N == 8) {
      words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v),
                              _mm256_extracti128_si256((__m256i)v, 1));
    } else {
      words = _mm_packs_epi32((__m128i)v, (__m128i)v);
    }
    const __m128i bytes = _mm_packus_epi16(words, words);
    __builtin_memcpy(p, &bytes, N);
    return;
  }
#endif
  store_lanes<uint8_t, N>(p, __builtin_convertvector(v, Lanes<uint8_t, N>));
}

// Covers [begin, end) with blocks of W lanes, then of half as many down to Least; a rest smaller than the
// last is covered by a block that overlaps what was done. False when the range is shorter than Least.
template <int W, int Least, class Block>
TG_SIMD bool cover(int64_t begin, int64_t end, const Block& block) {
  if (end - begin < Least) return false;
  int64_t at = begin;
  for (; at + W <= end; at += W) block.template run<W>(at);
  if constexpr (W > Least) {
    if (end - at >= Least) return cover<W / 2, Least>(at, end, block);
  }
  if (at < end) block.template run<Least>(end - Least);
  return true;
}

}  // namespace tilegrad::TILEGRAD_ISA
