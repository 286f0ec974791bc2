// The rows of one family of functions, named by TG_FAMILY: the body of elementwise_<family>_simd.cc.
// Unit strides vectorise, stride 0 is a broadcast operand held in a register.
#include "core/math.h"
#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

#include "ops/elementwise/functor_structs.h"

// A bool in memory is a byte: any but 0 counts as true.
template <class T>
struct StoredAs {
  using type = T;
};
template <>
struct StoredAs<bool> {
  using type = uint8_t;
};
template <class T>
using Stored = typename StoredAs<T>::type;

constexpr int kAny = -1;

// An operand of compile-time stride 0 or 1, or of any stride.
template <class T, int S>
struct Operand {
  const Stored<T>* data;
  int64_t stride;
  inline __attribute__((always_inline)) T operator[](int64_t i) const {
    return static_cast<T>(data[S == kAny ? i * stride : i * S]);
  }
};

template <class T, int S>
inline Operand<T, S> operand(const RowArgs& row, int k) {
  return {static_cast<const Stored<T>*>(row.inputs[k]), row.strides[k]};
}

// n is held apart from the row, one of whose bytes a stored byte could be.
template <class F, int A>
void loop(const F& f, const RowArgs& row) {
  const auto x = operand<typename F::First, A>(row, 0);
  auto* __restrict out = static_cast<Stored<typename F::Result>*>(row.out);
  for (int64_t i = 0, n = row.n; i < n; ++i) out[i] = f(x[i]);
}

template <class F, int A, int B>
void loop(const F& f, const RowArgs& row) {
  const auto a = operand<typename F::First, A>(row, 0);
  const auto b = operand<typename F::Type, B>(row, 1);
  auto* __restrict out = static_cast<Stored<typename F::Result>*>(row.out);
  for (int64_t i = 0, n = row.n; i < n; ++i) out[i] = f(a[i], b[i]);
}

template <class F, int A, int B, int C>
void loop(const F& f, const RowArgs& row) {
  const auto a = operand<typename F::First, A>(row, 0);
  const auto b = operand<typename F::Type, B>(row, 1);
  const auto c = operand<typename F::Type, C>(row, 2);
  auto* __restrict out = static_cast<Stored<typename F::Result>*>(row.out);
  for (int64_t i = 0, n = row.n; i < n; ++i) out[i] = f(a[i], b[i], c[i]);
}

template <class F>
void row_by_strides(const RowArgs& row) {
  using T = typename F::Type;
  F f;
  if constexpr (F::kParams > 0) {
    T params[F::kParams];
    for (int i = 0; i < F::kParams; ++i) params[i] = saturated<T>(row.params[i]);
    static_assert(sizeof params == sizeof f);
    __builtin_memcpy(&f, params, sizeof f);
  }
  const int64_t* s = row.strides;
  if constexpr (F::kInputs == 1) {
    return s[0] == 1 ? loop<F, 1>(f, row) : loop<F, kAny>(f, row);
  } else if constexpr (F::kInputs == 2) {
    if (s[0] == 1 && s[1] == 1) return loop<F, 1, 1>(f, row);
    if (s[0] == 1 && s[1] == 0) return loop<F, 1, 0>(f, row);
    if (s[0] == 0 && s[1] == 1) return loop<F, 0, 1>(f, row);
    return loop<F, kAny, kAny>(f, row);
  } else {
    if (s[0] == 1 && s[1] == 1 && s[2] == 1) return loop<F, 1, 1, 1>(f, row);
    if (s[0] == 1 && s[1] == 1 && s[2] == 0) return loop<F, 1, 1, 0>(f, row);
    if (s[0] == 1 && s[1] == 0 && s[2] == 1) return loop<F, 1, 0, 1>(f, row);
    if (s[0] == 1 && s[1] == 0 && s[2] == 0) return loop<F, 1, 0, 0>(f, row);
    if (s[0] == 0 && s[1] == 1 && s[2] == 1) return loop<F, 0, 1, 1>(f, row);
    if (s[0] == 0 && s[1] == 1 && s[2] == 0) return loop<F, 0, 1, 0>(f, row);
    return loop<F, kAny, kAny, kAny>(f, row);
  }
}

template <class F>
void row_of(const RowArgs& row) {
  row_by_strides<F>(row);
}

// Rows that a family writes for some of its functions.
#if defined(TG_SPECIAL_ROWS)
// near(x) up to `limit` in magnitude, F beyond, which only blocks with such an element compute.
template <class F, class Near>
void near_or_far(const RowArgs& row, float limit, Near near) {
  const auto either = [=](float x) __attribute__((always_inline)) {
    return math::f32::magnitude(x) <= limit ? near(x) : F{}(x);
  };
  constexpr int64_t kBlock = 1024;
  const int64_t stride = row.strides[0];
  for (int64_t begin = 0; begin < row.n; begin += kBlock) {
    const auto* x = static_cast<const float*>(row.inputs[0]) + begin * stride;
    auto* __restrict out = static_cast<float*>(row.out) + begin;
    const int64_t n = row.n - begin < kBlock ? row.n - begin : kBlock;
    if (stride != 1) {
      for (int64_t i = 0; i < n; ++i) out[i] = either(x[i * stride]);
      continue;
    }
    int32_t most = 0;  // the bits of magnitudes order as the numbers do, NaN and infinity last
    for (int64_t i = 0; i < n; ++i) {
      const int32_t size = math::f32::bits(x[i]) & 0x7fffffff;
      most = size > most ? size : most;
    }
    if (most <= math::f32::bits(limit)) {
      for (int64_t i = 0; i < n; ++i) out[i] = near(x[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = either(x[i]);
    }
  }
}

// f(x) of f64, whatever the stride.
template <class F>
void row_by(const RowArgs& row, F f) {
  auto* __restrict out = static_cast<double*>(row.out);
  const auto* x = static_cast<const double*>(row.inputs[0]);
  const int64_t n = row.n, stride = row.strides[0];
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = f(x[i * stride]);
  }
}
#include TG_SPECIAL_ROWS
#endif

}  // namespace

#define TG_ROW(dtype, T, name) \
  case DType::dtype:           \
    return row_of<name##_functor<T>>;
#define TG_ROWS_FLOAT(name) TG_ROW(f32, float, name) TG_ROW(f64, double, name)
#define TG_ROWS_INTEGER(name) \
  TG_ROW(i64, int64_t, name)  \
  TG_ROW(i32, int32_t, name) TG_ROW(i8, int8_t, name) TG_ROW(u8, uint8_t, name)
#define TG_ROWS_NUMBER(name) TG_ROWS_FLOAT(name) TG_ROWS_INTEGER(name)
#define TG_ROWS_ALL(name) TG_ROWS_NUMBER(name) TG_ROW(boolean, bool, name)
#define TG_ROWS_BITS(name) TG_ROWS_INTEGER(name) TG_ROW(boolean, bool, name)
#define TG_ROWS_SIZE(name)                                       \
  default:                                                       \
    TG_DISPATCH_SIZE(dtype, T, return row_of<name##_functor<T>>) \
    break;
#define TG_FUNCTION(inputs, result, name, dtypes, params, expression) \
  Row name##_row([[maybe_unused]] DType dtype) {                      \
    switch (dtype) { TG_ROWS_##dtypes(name) }                         \
    return nullptr;                                                   \
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch"
#include "ops/elementwise/functors.h"
#pragma GCC diagnostic pop
#undef TG_FUNCTION

}  // namespace tilegrad::TILEGRAD_ISA
