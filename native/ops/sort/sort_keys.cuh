// Keys whose order as unsigned integers is that of the elements: NaN is the greatest number, -0 equals 0.
#pragma once

#include <type_traits>

#include "core/cuda/launch.cuh"
#include "core/dtype.h"

namespace tilegrad {

template <class T>
using SortKey = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

// All bits of a float with the sign first: negative ones are reversed, the others put above them.
template <class Bits>
__device__ Bits ordered_bits(Bits bits, Bits infinity) {
  constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
  const Bits magnitude = bits & ~kSign;
  if (magnitude > infinity) return ~Bits{0};
  if (magnitude == 0) return kSign;
  return bits & kSign ? ~bits : bits | kSign;
}

template <class T>
__device__ SortKey<T> sort_key(T x) {
  if constexpr (std::is_same_v<T, double>) {
    return ordered_bits<uint64_t>(static_cast<uint64_t>(__double_as_longlong(x)),
                                  uint64_t{0x7ff} << 52);
  } else if constexpr (std::is_same_v<compute_t<T>, float>) {
    return ordered_bits<uint32_t>(float_to_bits(static_cast<float>(x)), 0x7f800000u);
  } else {
    using Key = SortKey<T>;
    constexpr Key kSign = std::is_signed_v<T> ? Key{1} << (sizeof(Key) * 8 - 1) : Key{0};
    return static_cast<Key>(x) ^ kSign;
  }
}

}  // namespace tilegrad
