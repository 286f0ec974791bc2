// The loops vectorise as they stand. Rounding is half to even: what is clamped lies within 2^22 of zero, where adding
// 1.5 * 2^23 leaves the integer in the low bits. NaN becomes the zero point.
#include "core/cpu/quantize_rows_simd.h"

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

#define INLINE static inline __attribute__((always_inline))

// The level above the zero point, within [low, high] - zero_point.
INLINE int32_t level(float x, float scale, int32_t zero_point, int32_t low, int32_t high) {
  constexpr float kShift = 12582912.0f;
  float y = x / scale;
  y = y == y ? y : 0.0f;
  const float least = static_cast<float>(low - zero_point),
              most = static_cast<float>(high - zero_point);
  y = y < least ? least : y;
  y = y > most ? most : y;
  y += kShift;
  int32_t bits;
  __builtin_memcpy(&bits, &y, sizeof bits);
  return bits - 0x4b400000;
}

// Whether the level lies in the range before it is clamped: half to even at both ends.
INLINE bool inside(float x, float scale, int32_t zero_point, int32_t low, int32_t high) {
  return level(x, scale, zero_point, low - 1, high + 1) == level(x, scale, zero_point, low, high) &&
         x == x;
}

template <int Step, class Body>
INLINE void each(const QuantizeRow& r, Body body) {
  for (int64_t i = 0; i < r.n; ++i) body(i, r.scale[i * Step], r.zero_point[i * Step]);
}

// f32 with one scale, a vector at a time: as level(), which the compiler does not vectorise into bytes.
template <class Q>
INLINE int64_t quantize_vectors(const QuantizeRow& r) {
  constexpr int W = kLanes<float>;
  typedef Q Bytes __attribute__((vector_size(W)));
  const auto* x = static_cast<const float*>(r.x);
  auto* out = static_cast<Q*>(r.out);
  const int32_t zero = *r.zero_point;
  const VecF32 scale = broadcast<float>(*r.scale);
  const VecF32 least = broadcast<float>(static_cast<float>(r.low - zero)),
               most = broadcast<float>(static_cast<float>(r.high - zero));
  int64_t i = 0;
  for (; i + W <= r.n; i += W) {
    VecF32 y = load<float>(x + i) / scale;
    y = y == y ? y : VecF32{};
    y = y < least ? least : y;
    y = y > most ? most : y;
    const VecI32 bits = (VecI32)(y + 12582912.0f);
    const Bytes bytes = __builtin_convertvector(bits - (0x4b400000 - zero), Bytes);
    __builtin_memcpy(out + i, &bytes, sizeof bytes);
  }
  return i;
}

template <class T, class Q>
void quantize(const QuantizeRow& whole) {
  QuantizeRow r = whole;
  if constexpr (sizeof(T) == sizeof(float)) {
    if (r.step == 0) {
      const int64_t done = quantize_vectors<Q>(r);
      r.x = static_cast<const T*>(r.x) + done, r.out = static_cast<Q*>(r.out) + done;
      r.n -= done;
    }
  }
  const T* x = static_cast<const T*>(r.x);
  Q* out = static_cast<Q*>(r.out);
  const int32_t low = r.low, high = r.high;
  const auto body = [=](int64_t i, float scale, int32_t zero) __attribute__((always_inline)) {
    out[i] = static_cast<Q>(level(static_cast<float>(x[i]), scale, zero, low, high) + zero);
  };
  r.step == 0 ? each<0>(r, body) : each<1>(r, body);
}

template <class Q>
void dequantize(const QuantizeRow& r) {
  const Q* x = static_cast<const Q*>(r.x);
  float* out = static_cast<float*>(r.out);
  const auto body = [=](int64_t i, float scale, int32_t zero) __attribute__((always_inline)) {
    const uint32_t difference = static_cast<uint32_t>(x[i]) - static_cast<uint32_t>(zero);
    out[i] = static_cast<float>(static_cast<int32_t>(difference)) * scale;
  };
  r.step == 0 ? each<0>(r, body) : each<1>(r, body);
}

template <class T>
void fake_quantize(const QuantizeRow& r) {
  const T* x = static_cast<const T*>(r.x);
  T* out = static_cast<T*>(r.out);
  const int32_t low = r.low, high = r.high;
  const auto body = [=](int64_t i, float scale, int32_t zero) __attribute__((always_inline)) {
    const int32_t steps = level(static_cast<float>(x[i]), scale, zero, low, high);
    out[i] = static_cast<T>(static_cast<float>(steps) * scale);
  };
  r.step == 0 ? each<0>(r, body) : each<1>(r, body);
}

template <class T>
void fake_quantize_input_grad(const QuantizeRow& r) {
  const T* x = static_cast<const T*>(r.x);
  const T* dout = static_cast<const T*>(r.dout);
  T* out = static_cast<T*>(r.out);
  const int32_t low = r.low, high = r.high;
  const auto body = [=](int64_t i, float scale, int32_t zero) __attribute__((always_inline)) {
    const float passed = static_cast<float>(dout[i]);
    out[i] =
        static_cast<T>(inside(static_cast<float>(x[i]), scale, zero, low, high) ? passed : 0.0f);
  };
  r.step == 0 ? each<0>(r, body) : each<1>(r, body);
}

template <class T>
Range range(const void* x_data, int64_t n) {
  constexpr int kLanes = 32;
  const T* x = static_cast<const T*>(x_data);
  float least[kLanes] = {}, most[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) {
      const float value = static_cast<float>(x[i + k]);
      least[k] = value < least[k] ? value : least[k];
      most[k] = value > most[k] ? value : most[k];
    }
  }
  for (int k = 0; i < n; ++i, ++k) {
    const float value = static_cast<float>(x[i]);
    least[k] = value < least[k] ? value : least[k];
    most[k] = value > most[k] ? value : most[k];
  }
  Range out = {0, 0};
  for (int k = 0; k < kLanes; ++k) {
    out.least = least[k] < out.least ? least[k] : out.least;
    out.most = most[k] > out.most ? most[k] : out.most;
  }
  return out;
}

template <class Q>
QuantizeKernel quantize_to(DType from) {
  switch (from) {
    case DType::f16:
      return quantize<f16, Q>;
    case DType::bf16:
      return quantize<bf16, Q>;
    default:
      return quantize<float, Q>;
  }
}

}  // namespace

QuantizeKernel quantize_row(DType from, DType to) {
  return to == DType::i8 ? quantize_to<int8_t>(from) : quantize_to<uint8_t>(from);
}

QuantizeKernel dequantize_row(DType from) {
  switch (from) {
    case DType::i8:
      return dequantize<int8_t>;
    case DType::u8:
      return dequantize<uint8_t>;
    default:
      return dequantize<int32_t>;
  }
}

QuantizeKernel fake_quantize_row(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return fake_quantize<f16>;
    case DType::bf16:
      return fake_quantize<bf16>;
    default:
      return fake_quantize<float>;
  }
}

QuantizeKernel fake_quantize_input_grad_row(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return fake_quantize_input_grad<f16>;
    case DType::bf16:
      return fake_quantize_input_grad<bf16>;
    default:
      return fake_quantize_input_grad<float>;
  }
}

RangeKernel range_row(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return range<f16>;
    case DType::bf16:
      return range<bf16>;
    default:
      return range<float>;
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
