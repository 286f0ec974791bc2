// One row of an elementwise function: unit strides vectorise, stride 0 is a broadcast operand held in a register.
#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class T, class F>
void unary_row(const void* x_data, int64_t stride, void* out_data, int64_t n) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* out = static_cast<T*>(out_data);
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(F::apply(static_cast<C>(x[i])));
  } else {
    for (int64_t i = 0; i < n; ++i)
      out[i] = static_cast<T>(F::apply(static_cast<C>(x[i * stride])));
  }
}

template <class T, class F>
void binary_row(const void* a_data, int64_t as, const void* b_data, int64_t bs, void* out_data,
                int64_t n) {
  using C = compute_t<T>;
  auto* a = static_cast<const T*>(a_data);
  auto* b = static_cast<const T*>(b_data);
  auto* out = static_cast<T*>(out_data);
  if (as == 1 && bs == 1) {
    for (int64_t i = 0; i < n; ++i)
      out[i] = static_cast<T>(F::apply(static_cast<C>(a[i]), static_cast<C>(b[i])));
  } else if (as == 1 && bs == 0) {
    const C c = static_cast<C>(*b);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(F::apply(static_cast<C>(a[i]), c));
  } else if (as == 0 && bs == 1) {
    const C c = static_cast<C>(*a);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(F::apply(c, static_cast<C>(b[i])));
  } else {
    for (int64_t i = 0; i < n; ++i)
      out[i] = static_cast<T>(F::apply(static_cast<C>(a[i * as]), static_cast<C>(b[i * bs])));
  }
}

#define TG_UNARY(name, dtypes, expression) \
  struct name##_functor {                  \
    template <class T>                     \
    static inline T apply(T x) {           \
      return expression;                   \
    }                                      \
  };
#define TG_BINARY(name, dtypes, expression) \
  struct name##_functor {                   \
    template <class T>                      \
    static inline T apply(T a, T b) {       \
      return expression;                    \
    }                                       \
  };
#include "ops/elementwise/functors.h"

}  // namespace

#define TG_UNARY(name, dtypes, expression)                                                 \
  UnaryRow name##_row(DType dtype) {                                                       \
    TG_DISPATCH_##dtypes(dtype, T, return (&unary_row<T, name##_functor>)) return nullptr; \
  }
#define TG_BINARY(name, dtypes, expression)                                                 \
  BinaryRow name##_row(DType dtype) {                                                       \
    TG_DISPATCH_##dtypes(dtype, T, return (&binary_row<T, name##_functor>)) return nullptr; \
  }
#include "ops/elementwise/functors.h"

}  // namespace tilegrad::TILEGRAD_ISA
