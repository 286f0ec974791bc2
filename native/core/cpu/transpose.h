// Transposes blocks of lanes x lanes registers. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {

// v[i] and v[i + D] exchange their off-diagonal blocks of D lanes; D = W / 2 ... 1 makes a transpose.
template <class T, int D>
TG_SIMD void exchange(Vec<T> (&v)[kLanes<T>]) {
  constexpr int W = kLanes<T>;
  Mask<T> low, high;
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    low[i] = (i & D) != 0 ? W + i - D : i;
    high[i] = (i & D) != 0 ? W + i : i + D;
  }
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    if ((i & D) != 0) continue;
    const Vec<T> a = v[i], b = v[i + D];
    v[i] = __builtin_shuffle(a, b, low);
    v[i + D] = __builtin_shuffle(a, b, high);
  }
}

template <class T>
TG_SIMD void transpose(Vec<T> (&v)[kLanes<T>]) {
  if constexpr (kLanes < T >> 8) exchange<T, 8>(v);
  if constexpr (kLanes < T >> 4) exchange<T, 4>(v);
  if constexpr (kLanes < T >> 2) exchange<T, 2>(v);
  exchange<T, 1>(v);
}

}  // namespace tilegrad::TILEGRAD_ISA
