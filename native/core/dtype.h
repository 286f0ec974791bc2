// Element types: sizes, names, 16-bit float conversion, accumulator types and the dispatch macros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>

#include "core/platform.h"

namespace tilegrad {

// The order is part of the binding: lib/dtype.ts compares its own list with dtype_name() at start.
enum class DType : uint8_t { f32, f16, bf16, f64, i64, i32, i8, u8, boolean };
inline constexpr int kDTypeCount = 9;

constexpr size_t dtype_size(DType d) {
  constexpr size_t sizes[kDTypeCount] = {4, 2, 2, 8, 8, 4, 1, 1, 1};
  return sizes[static_cast<int>(d)];
}

constexpr const char* dtype_name(DType d) {
  constexpr const char* names[kDTypeCount] = {"f32", "f16", "bf16", "f64", "i64",
                                              "i32", "i8",  "u8",   "bool"};
  return names[static_cast<int>(d)];
}

constexpr bool is_float(DType d) { return d <= DType::f64; }
constexpr bool is_integer(DType d) { return d >= DType::i64 && d <= DType::u8; }

/// Whether a number of JavaScript fits: whole and in range for integers (i64: safe integers, which are exact),
/// 0 or 1 for bool. Floats round, so they hold any.
constexpr bool holds(DType d, double value) {
  constexpr double least[kDTypeCount] = {0, 0, 0, 0, 1 - 0x1p53, -0x1p31, -128, 0, 0};
  constexpr double most[kDTypeCount] = {0, 0, 0, 0, 0x1p53 - 1, 0x1p31 - 1, 127, 255, 1};
  if (is_float(d)) return true;
  if (!(value >= least[static_cast<int>(d)] && value <= most[static_cast<int>(d)])) return false;
  return value == static_cast<double>(static_cast<int64_t>(value));
}

inline std::ostream& operator<<(std::ostream& out, DType d) { return out << dtype_name(d); }

TG_HOST_DEVICE float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
TG_HOST_DEVICE uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// bfloat16 stored as bits; arithmetic happens in f32. Rounds to nearest even, keeps NaN quiet.
struct bf16 {
  uint16_t bits;
  bf16() = default;
  TG_HOST_DEVICE bf16(float value) {
    uint32_t u = float_to_bits(value);
    bits = (u & 0x7fffffffu) > 0x7f800000u
               ? static_cast<uint16_t>((u >> 16) | 0x40u)
               : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  TG_HOST_DEVICE operator float() const { return bits_to_float(static_cast<uint32_t>(bits) << 16); }
};

/// IEEE binary16 stored as bits; arithmetic happens in f32. Rounds to nearest even, subnormals kept.
struct f16 {
  uint16_t bits;
  f16() = default;
  TG_HOST_DEVICE f16(float value) {
    uint32_t u = float_to_bits(value);
    uint32_t sign = (u >> 16) & 0x8000u;
    u &= 0x7fffffffu;
    uint32_t h;
    if (u > 0x7f800000u) {
      h = 0x7e00u;
    } else if (u >= 0x477ff000u) {  // 65520 and above round to infinity
      h = 0x7c00u;
    } else if (
        u <
        0x38800000u) {  // below 2^-14: adding 0.5 lets the FPU round at the subnormal's last bit
      h = float_to_bits(bits_to_float(u) + 0.5f) - 0x3f000000u;
    } else {
      h = (u - 0x38000000u + 0xfffu + ((u >> 13) & 1u)) >> 13;
    }
    bits = static_cast<uint16_t>(h | sign);
  }
  TG_HOST_DEVICE operator float() const {
    uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    uint32_t rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return bits_to_float(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    // 2^112 rescales the exponent and makes subnormals normal in one exact multiplication.
    float magnitude = bits_to_float(rest << 13) * 5192296858534827628530496329220096.0f;
    return bits_to_float(sign | float_to_bits(magnitude));
  }
};

template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<f16> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};

/// The type in which a value of T is computed: 16-bit floats in f32, everything else as it is.
template <class T>
struct compute_of {
  using type = T;
};
template <>
struct compute_of<f16> {
  using type = float;
};
template <>
struct compute_of<bf16> {
  using type = float;
};
template <class T>
using compute_t = typename compute_of<T>::type;

/// Throws ERR_DTYPE.
[[noreturn]] void throw_no_kernel(DType dtype);

}  // namespace tilegrad

// TG_DISPATCH_*(dtype, T, statement): runs `statement` with T bound to the C++ type of `dtype`.
// A dtype outside the set is a bug of `infer`, which should have refused it: an error, not undefined behaviour.
#define TG_CASE(DT, TYPE, T, ...) \
  case ::tilegrad::DType::DT: {   \
    using T = TYPE;               \
    __VA_ARGS__;                  \
    break;                        \
  }
#define TG_CASES_FLOAT(T, ...)                  \
  TG_CASE(f32, float, T, __VA_ARGS__)           \
  TG_CASE(f64, double, T, __VA_ARGS__)          \
  TG_CASE(f16, ::tilegrad::f16, T, __VA_ARGS__) \
  TG_CASE(bf16, ::tilegrad::bf16, T, __VA_ARGS__)
#define TG_CASES_INTEGER(T, ...)        \
  TG_CASE(i64, int64_t, T, __VA_ARGS__) \
  TG_CASE(i32, int32_t, T, __VA_ARGS__) \
  TG_CASE(i8, int8_t, T, __VA_ARGS__)   \
  TG_CASE(u8, uint8_t, T, __VA_ARGS__)
#define TG_DISPATCH_FLOAT(DTYPE, T, ...) \
  switch (DTYPE) { TG_CASES_FLOAT(T, __VA_ARGS__) default : ::tilegrad::throw_no_kernel(DTYPE); }
#define TG_DISPATCH_NUMBER(DTYPE, T, ...)                                          \
  switch (DTYPE) {                                                                 \
    TG_CASES_FLOAT(T, __VA_ARGS__)                                                 \
    TG_CASES_INTEGER(T, __VA_ARGS__) default : ::tilegrad::throw_no_kernel(DTYPE); \
  }
#define TG_DISPATCH_ALL(DTYPE, T, ...)     \
  switch (DTYPE) {                         \
    TG_CASES_FLOAT(T, __VA_ARGS__)         \
    TG_CASES_INTEGER(T, __VA_ARGS__)       \
    TG_CASE(boolean, bool, T, __VA_ARGS__) \
  }
// By element size alone: for kernels that move elements without reading them.
#define TG_DISPATCH_SIZE(DTYPE, T, ...)    \
  switch (::tilegrad::dtype_size(DTYPE)) { \
    case 1: {                              \
      using T = uint8_t;                   \
      __VA_ARGS__;                         \
      break;                               \
    }                                      \
    case 2: {                              \
      using T = uint16_t;                  \
      __VA_ARGS__;                         \
      break;                               \
    }                                      \
    case 4: {                              \
      using T = uint32_t;                  \
      __VA_ARGS__;                         \
      break;                               \
    }                                      \
    default: {                             \
      using T = uint64_t;                  \
      __VA_ARGS__;                         \
      break;                               \
    }                                      \
  }
