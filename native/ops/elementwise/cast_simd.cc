// Conversions of rows: branch-free, so that unit strides vectorise.
#include "ops/elementwise/cast_simd.h"

#include "ops/elementwise/convert.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class S, class O, class Convert>
inline void loop(const RowArgs& row, Convert convert) {
  const auto* x = static_cast<const S*>(row.inputs[0]);
  auto* __restrict out = static_cast<O*>(row.out);
  const int64_t stride = row.strides[0], n = row.n;  // a stored byte could be one of row's
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(x[i * stride]);
  }
}

template <class T>
constexpr bool kBool = false;
template <>
constexpr bool kBool<bool> = true;

// Bools are read and written as bytes.
template <class From, class To>
void convert_row(const RowArgs& row) {
  if constexpr (kBool<From>) {
    loop<uint8_t, To>(
        row, [](uint8_t x) __attribute__((always_inline)) { return static_cast<To>(x != 0); });
  } else if constexpr (kBool<To>) {
    loop<From, uint8_t>(
        row,
        [](From x) __attribute__((always_inline)) { return static_cast<uint8_t>(x != From(0)); });
  } else {
    loop<From, To>(
        row, [](From x) __attribute__((always_inline)) { return converted<To>(x); });
  }
}

template <class From>
void odd_row(const RowArgs& row) {
  loop<From, float>(
      row, [](From x) __attribute__((always_inline)) { return rounded_to_odd(x); });
}

template <class From>
Row row_to(DType to) {
  switch (to) {
    case DType::f32:
      return convert_row<From, float>;
    case DType::f64:
      return convert_row<From, double>;
    case DType::i64:
      return convert_row<From, int64_t>;
    case DType::i32:
      return convert_row<From, int32_t>;
    case DType::i8:
      return convert_row<From, int8_t>;
    case DType::u8:
      return convert_row<From, uint8_t>;
    case DType::boolean:
      return convert_row<From, bool>;
    default:
      return nullptr;
  }
}

}  // namespace

Row cast_row(DType from, DType to) {
  switch (from) {
    case DType::f32:
      return row_to<float>(to);
    case DType::f64:
      return row_to<double>(to);
    case DType::i64:
      return row_to<int64_t>(to);
    case DType::i32:
      return row_to<int32_t>(to);
    case DType::i8:
      return row_to<int8_t>(to);
    case DType::u8:
      return row_to<uint8_t>(to);
    case DType::boolean:
      return row_to<bool>(to);
    default:
      return nullptr;
  }
}

Row cast_odd_row(DType from) {
  switch (from) {
    case DType::f64:
      return odd_row<double>;
    case DType::i64:
      return odd_row<int64_t>;
    case DType::i32:
      return odd_row<int32_t>;
    default:
      return nullptr;
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
