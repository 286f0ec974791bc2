// Quotients rounded up: how many tiles of one length cover another, and how long they are together.
#pragma once

#include <type_traits>

#include "core/platform.h"

namespace tilegrad {

// For b > 0; where a < 0, no more is promised than a result of at most 0.
template <class A, class B>
TG_HOST_DEVICE constexpr std::common_type_t<A, B> ceil_div(A a, B b) {
  using T = std::common_type_t<A, B>;
  return (static_cast<T>(a) + static_cast<T>(b) - 1) / static_cast<T>(b);
}

template <class A, class B>
TG_HOST_DEVICE constexpr std::common_type_t<A, B> round_up(A a, B b) {
  return ceil_div(a, b) * b;
}

}  // namespace tilegrad
