// 16-bit floats to f32 and back: reads and writes each element once. The last elements go through a
// buffer of one vector.
#include "core/cpu/half.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

template <class Convert>
TG_SIMD void widen(const uint16_t* in, float* out, int64_t n, Convert convert) {
  constexpr int W = kLanes<float>;
  int64_t i = 0;
  for (; i + W <= n; i += W) store<float>(out + i, convert(load_u16(in + i)));
  const int left = static_cast<int>(n - i);
  if (left == 0) return;
  uint16_t last[W] = {};
  for (int j = 0; j < left; ++j) last[j] = in[i + j];
  store_partial<float>(out + i, convert(load_u16(last)), left);
}

template <class Convert>
TG_SIMD void narrow(const float* in, uint16_t* out, int64_t n, Convert convert) {
  constexpr int W = kLanes<float>;
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const VecU16Half bits = convert(load(in + i));
    __builtin_memcpy(out + i, &bits, sizeof bits);
  }
  const int left = static_cast<int>(n - i);
  if (left == 0) return;
  const VecU16Half bits = convert(load_partial(in + i, left));
  for (int j = 0; j < left; ++j) out[i + j] = bits[j];
}

}  // namespace

void widen_f16(const uint16_t* in, float* out, int64_t n) {
  widen(
      in, out, n, [](VecU16Half h) __attribute__((always_inline)) { return from_f16(h); });
}
void widen_bf16(const uint16_t* in, float* out, int64_t n) {
  widen(
      in, out, n, [](VecU16Half h) __attribute__((always_inline)) { return from_bf16(h); });
}
void narrow_f16(const float* in, uint16_t* out, int64_t n) {
  narrow(
      in, out, n, [](VecF32 x) __attribute__((always_inline)) { return to_f16(x); });
}
void narrow_bf16(const float* in, uint16_t* out, int64_t n) {
  narrow(
      in, out, n, [](VecF32 x) __attribute__((always_inline)) { return to_bf16(x); });
}

}  // namespace tilegrad::TILEGRAD_ISA
