// Device functions that nvcc knows and g++ does not: barriers, shuffles, votes, atomics, intrinsics.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/cuda/emulator/emulator.h"

namespace tilegrad::emulator {

template <class T>
struct ShuffleOperand {
  T in, out;
  int source;  // the lane to read; -1 keeps the own value
};

template <class T>
TILEGRAD_NO_TSAN void run_shuffle(void** operands, unsigned mask) {
  for (int lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    auto* self = static_cast<ShuffleOperand<T>*>(operands[lane]);
    if (self->source < 0) {
      self->out = self->in;
    } else if (mask >> self->source & 1) {
      self->out = static_cast<ShuffleOperand<T>*>(operands[self->source])->in;
    } else {  // reading an inactive lane is undefined: poison
      std::memset(static_cast<void*>(&self->out), 0xff, sizeof(T));
    }
  }
}

template <class T>
T shuffle(unsigned mask, T value, int source, const Site& site) {
  ShuffleOperand<T> operand{value, value, source};
  warp_collective(mask, &operand, run_shuffle<T>, site);
  return operand.out;
}

struct VoteOperand {
  int predicate;
  unsigned ballot;
};
void run_ballot(void** operands, unsigned mask);
void run_match_any(void** operands, unsigned mask);

// A read-modify-write seen by TSan as an atomic, without ordering (as on the device).
template <class T, class F>
T atomic_update(T* address, F change) {
  using Bits = std::conditional_t<sizeof(T) == 2, uint16_t,
                                  std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;
  yield_point();
  note_progress();
  auto* bits = reinterpret_cast<Bits*>(address);
  Bits seen = __atomic_load_n(bits, __ATOMIC_RELAXED);
  for (;;) {
    T before;
    std::memcpy(static_cast<void*>(&before), &seen, sizeof(T));
    const T after = change(before);
    Bits wanted;
    std::memcpy(&wanted, static_cast<const void*>(&after), sizeof(T));
    if (__atomic_compare_exchange_n(bits, &seen, wanted, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      return before;
    }
  }
}

}  // namespace tilegrad::emulator

#define TILEGRAD_SITE ::tilegrad::emulator::Site site = ::tilegrad::emulator::Site::current()

inline void __syncthreads(TILEGRAD_SITE) {
  ::tilegrad::emulator::barrier_sync(0, 0, ::tilegrad::emulator::Vote::none, 0, site);
}
inline int __syncthreads_count(int predicate, TILEGRAD_SITE) {
  return ::tilegrad::emulator::barrier_sync(0, 0, ::tilegrad::emulator::Vote::count, predicate,
                                            site);
}
inline int __syncthreads_or(int predicate, TILEGRAD_SITE) {
  return ::tilegrad::emulator::barrier_sync(0, 0, ::tilegrad::emulator::Vote::any, predicate, site);
}
inline int __syncthreads_and(int predicate, TILEGRAD_SITE) {
  return ::tilegrad::emulator::barrier_sync(0, 0, ::tilegrad::emulator::Vote::all, predicate, site);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, TILEGRAD_SITE) {
  ::tilegrad::emulator::warp_collective(mask, nullptr, nullptr, site);
}
inline void __threadfence() { ::tilegrad::emulator::memory_fence(); }
inline void __threadfence_block() { ::tilegrad::emulator::memory_fence(); }
inline void __threadfence_system() { ::tilegrad::emulator::memory_fence(); }
inline void __nanosleep(unsigned, TILEGRAD_SITE) {
  ::tilegrad::emulator::poll("__nanosleep", site);
}
[[noreturn]] inline void __trap() { ::tilegrad::emulator::fail("__trap was called"); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, TILEGRAD_SITE) {
  const int lane = static_cast<int>(::tilegrad::emulator::lane_index());
  const int target = (lane & ~(width - 1)) | (source & (width - 1));
  return ::tilegrad::emulator::shuffle(mask, value, target, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, TILEGRAD_SITE) {
  const int lane = static_cast<int>(::tilegrad::emulator::lane_index());
  const int target = lane ^ lanes;
  const bool outside = (target & ~(width - 1)) > (lane & ~(width - 1));
  return ::tilegrad::emulator::shuffle(mask, value, outside ? -1 : target, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, TILEGRAD_SITE) {
  const int lane = static_cast<int>(::tilegrad::emulator::lane_index());
  const int target = lane + static_cast<int>(delta);
  const bool outside = (target & ~(width - 1)) != (lane & ~(width - 1));
  return ::tilegrad::emulator::shuffle(mask, value, outside ? -1 : target, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, TILEGRAD_SITE) {
  const int lane = static_cast<int>(::tilegrad::emulator::lane_index());
  const int target = lane - static_cast<int>(delta);
  const bool outside = target < (lane & ~(width - 1));
  return ::tilegrad::emulator::shuffle(mask, value, outside ? -1 : target, site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, TILEGRAD_SITE) {
  ::tilegrad::emulator::VoteOperand operand{predicate, 0};
  ::tilegrad::emulator::warp_collective(mask, &operand, ::tilegrad::emulator::run_ballot, site);
  return operand.ballot;
}
inline int __any_sync(unsigned mask, int predicate, TILEGRAD_SITE) {
  return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, TILEGRAD_SITE) {
  return __ballot_sync(mask, !predicate, site) == 0;
}
inline unsigned __match_any_sync(unsigned mask, int value, TILEGRAD_SITE) {
  ::tilegrad::emulator::VoteOperand operand{value, 0};
  ::tilegrad::emulator::warp_collective(mask, &operand, ::tilegrad::emulator::run_match_any, site);
  return operand.ballot;
}

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address,
                                             [&](T x) { return static_cast<T>(x + value); });
}
template <class T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address,
                                             [&](T x) { return static_cast<T>(x - value); });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address, [&](T x) { return x < value ? value : x; });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address, [&](T x) { return value < x ? value : x; });
}
template <class T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address,
                                             [&](T x) { return static_cast<T>(x & value); });
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address,
                                             [&](T x) { return static_cast<T>(x | value); });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return ::tilegrad::emulator::atomic_update(address,
                                             [&](T x) { return x == expected ? value : x; });
}

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}

inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }

inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8) c += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return c;
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32);
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; i++) reversed |= (x >> i & 1) << (31 - i);
  return reversed;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
// The _rn forms are never contracted into fused multiply-adds.
inline float __fadd_rn(float a, float b) {
  const volatile float sum = a + b;
  return sum;
}
inline float __fmul_rn(float a, float b) {
  const volatile float product = a * b;
  return product;
}
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
