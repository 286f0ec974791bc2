// GCC's __builtin_shuffle for Clang, read before every *_simd.cc (cmake/TilegradIsa.cmake): lane i of the result is lane from[i]
// of a, or of a and b one after the other. Clang's own takes literals only; of this, with masks that are constant once loops
// are unrolled, it makes the same instructions.
#pragma once

#if defined(__clang__)

template <class V, class M>
static inline __attribute__((always_inline)) V tilegrad_shuffle(V a, V b, M from) {
  constexpr int kLanes = sizeof(V) / sizeof(a[0]);
  V v;
#pragma GCC unroll 64
  for (int i = 0; i < kLanes; ++i) {
    const int lane = static_cast<int>(from[i]) & (kLanes - 1);
    v[i] = from[i] & kLanes ? b[lane] : a[lane];
  }
  return v;
}

template <class V, class M>
static inline __attribute__((always_inline)) V tilegrad_shuffle(V a, M from) {
  return tilegrad_shuffle(a, a, from);
}

#define __builtin_shuffle tilegrad_shuffle

#endif
