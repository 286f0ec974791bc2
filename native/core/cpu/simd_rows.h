// Rows of any float dtype as vectors of the type it is computed in: f16 and bf16 widen to f32 when
// they are loaded and round when they are stored. For *_simd.cc files.
#pragma once

#include <type_traits>

#include "core/cpu/simd.h"
#include "core/dtype.h"
#include "core/math.h"

namespace tilegrad::TILEGRAD_ISA {

template <class T>
using Wide = Vec<compute_t<T>>;
// Elements of T that one vector of its compute type holds.
template <class T>
constexpr int kWide = kLanes<compute_t<T>>;

TG_SIMD VecF32 widen_bits(VecU16Half bits, f16) { return from_f16(bits); }
TG_SIMD VecF32 widen_bits(VecU16Half bits, bf16) { return from_bf16(bits); }
TG_SIMD VecU16Half narrow_bits(VecF32 v, f16) { return to_f16(v); }
TG_SIMD VecU16Half narrow_bits(VecF32 v, bf16) { return to_bf16(v); }

// The first `count` elements of p, zeros beyond; reads no byte past them.
template <class T>
TG_SIMD Wide<T> load_wide(const T* p, int count = kWide<T>) {
  if constexpr (std::is_same_v<T, compute_t<T>>) {
    return count == kWide<T> ? load(p) : load_partial(p, count);
  } else {
    const auto* bits = reinterpret_cast<const uint16_t*>(p);
    if (count == kWide<T>) return widen_bits(load_u16(bits), T{});
    uint16_t some[kWide<T>] = {};
    for (int i = 0; i < count; ++i) some[i] = bits[i];
    return widen_bits(load_u16(some), T{});
  }
}

// Writes the first `count` lanes and no byte past them.
template <class T>
TG_SIMD void store_narrow(T* p, Wide<T> v, int count = kWide<T>) {
  if constexpr (std::is_same_v<T, compute_t<T>>) {
    if (count == kWide<T>) return store<T>(p, v);
    store_partial<T>(p, v, count);
  } else {
    const VecU16Half bits = narrow_bits(v, T{});
    if (count == kWide<T>) {
      __builtin_memcpy(p, &bits, sizeof bits);
    } else {
      auto* out = reinterpret_cast<uint16_t*>(p);
      for (int i = 0; i < count; ++i) out[i] = bits[i];
    }
  }
}

// Lanes from `count` on replaced by `rest`.
template <class C>
TG_SIMD Vec<C> first_lanes(Vec<C> v, int count, Vec<C> rest) {
  if (count == kLanes<C>) return v;
  return lane_numbers<C>() < count - Mask<C>{} ? v : rest;
}

// Calls body(i, k, count) for each vector of an n-element row: elements [i, i + count), for
// accumulator k of 4. Only the last vector has fewer than kLanes<C> elements.
template <class C, class Body>
TG_SIMD void for_each_vector(int64_t n, Body&& body) {
  constexpr int W = kLanes<C>;
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) body(i + k * W, k, W);
  }
  for (; i + W <= n; i += W) body(i, 0, W);
  if (i < n) body(i, 1, static_cast<int>(n - i));
}

TG_SIMD VecF32 exp(VecF32 x) { return math::f32::exp(x); }
TG_SIMD VecF64 exp(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::exp(x[i]);
  return x;
}
TG_SIMD VecF32 log(VecF32 x) { return math::f32::log(x); }
TG_SIMD VecF64 log(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::log(x[i]);
  return x;
}

template <class C>
constexpr C kLowest = static_cast<C>(-__builtin_inf());

// The larger; b where a is NaN.
template <class C>
TG_SIMD Vec<C> larger(Vec<C> a, Vec<C> b) {
  return a > b ? a : b;
}

// The largest number of the row, NaN aside; -inf if there is none.
template <class T>
TG_SIMD compute_t<T> row_max(const T* x, int64_t n) {
  using C = compute_t<T>;
  const Vec<C> lowest = broadcast<C>(kLowest<C>);
  Vec<C> m[4] = {lowest, lowest, lowest, lowest};
  for_each_vector<C>(
      n, [&](int64_t i, int k, int count) __attribute__((always_inline)) {
        m[k] = larger<C>(first_lanes<C>(load_wide(x + i, count), count, lowest), m[k]);
      });
  const Vec<C> all = larger<C>(larger<C>(m[0], m[1]), larger<C>(m[2], m[3]));
  return fold_lanes<C>(
      all, [](Vec<C> a, Vec<C> b) __attribute__((always_inline)) { return larger<C>(a, b); })[0];
}

// The sum over a row of f(i, count), vectors of C; lanes from count on do not count.
template <class C, class F>
TG_SIMD C row_sum(int64_t n, F&& f) {
  Vec<C> s[4] = {};
  for_each_vector<C>(
      n, [&](int64_t i, int k, int count) __attribute__((always_inline)) {
        s[k] += first_lanes<C>(f(i, count), count, Vec<C>{});
      });
  return sum_lanes<C>((s[0] + s[1]) + (s[2] + s[3]));
}

// Values that a lane adds before they go into a total: an f32 that has counted to 2^24 sees no further ones.
constexpr int64_t kColumnRun = 4096;

// The sum of f(i) for i in [0, n), vectors of C.
template <class C, class F>
TG_SIMD Vec<C> column_sum(int64_t n, F&& f) {
  Vec<C> total = {};
  for (int64_t first = 0; first < n; first += kColumnRun) {
    const int64_t last = n - first < kColumnRun ? n : first + kColumnRun;
    Vec<C> run = {};
    for (int64_t i = first; i < last; ++i) run += f(i);
    total += run;
  }
  return total;
}

}  // namespace tilegrad::TILEGRAD_ISA
