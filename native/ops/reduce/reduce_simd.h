// Makes a ReduceKernel of a struct R<T> with Accumulator, start(), row(), columns(), merge() and finish(). For *_simd.cc
// files.
#pragma once

#include "core/cpu/simd_rows.h"
#include "ops/reduce/reduce_kernels.h"

namespace tilegrad::TILEGRAD_ISA {

template <class R>
void start_all(void* accumulators, int64_t count) {
  auto* a = static_cast<typename R::Accumulator*>(accumulators);
  for (int64_t i = 0; i < count; ++i) a[i] = R::start();
}

template <class R>
void take_rows(const ReduceSlab& slab, void* accumulators) {
  auto* a = static_cast<typename R::Accumulator*>(accumulators);
  auto* x = static_cast<const typename R::Element*>(slab.x);
  for (int64_t r = 0; r < slab.count; ++r, x += slab.stride)
    R::row(x, slab.n, slab.index, slab.step, &a[r]);
}

template <class R>
void take_columns(const ReduceSlab& slab, void* accumulators) {
  R::columns(static_cast<const typename R::Element*>(slab.x), slab,
             static_cast<typename R::Accumulator*>(accumulators));
}

template <class R>
void merge_all(void* into, const void* from, int64_t count) {
  auto* a = static_cast<typename R::Accumulator*>(into);
  auto* b = static_cast<const typename R::Accumulator*>(from);
  for (int64_t i = 0; i < count; ++i) R::merge(&a[i], b[i]);
}

template <class R>
void finish_all(const void* accumulators, int64_t count, const ReduceFinish& how, void* out,
                int64_t* indices) {
  R::finish(static_cast<const typename R::Accumulator*>(accumulators), count, how,
            static_cast<typename R::Result*>(out), indices);
}

template <class R>
ReduceKernel kernel_of() {
  static_assert(sizeof(typename R::Accumulator) % 8 == 0);
  return {sizeof(typename R::Accumulator),
          start_all<R>,
          take_rows<R>,
          take_columns<R>,
          merge_all<R>,
          finish_all<R>};
}

// Bytes of a bool tensor are 0 or 1.
template <class T>
struct stored {
  using type = T;
};
template <>
struct stored<bool> {
  using type = uint8_t;
};
template <class T>
using Stored = typename stored<T>::type;

template <class T>
constexpr bool kIsFloat = !std::is_integral_v<T>;

}  // namespace tilegrad::TILEGRAD_ISA
