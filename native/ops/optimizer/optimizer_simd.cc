// The rules of updates.h over rows, vectorised by the compiler. 16-bit floats pass through f32 buffers
// of 256 elements. Bytes moved: each array once, and all but the gradient back.
#include "ops/optimizer/optimizer_simd.h"

#include "core/cpu/half.h"
#include "core/math.h"
#include "ops/optimizer/updates.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int kBuffer = 256;

template <class C, class Rule>
inline void update(const Rule& rule, C* const* arrays, int64_t n) {
  constexpr int K = Rule::kArrays;
  C* p[K];
  for (int k = 0; k < K; ++k) p[k] = arrays[k];
    // Arrays are disjoint: the op has checked it.
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    C v[K];
    for (int k = 0; k < K; ++k) v[k] = p[k][i];
    rule(v);
    for (int k = 0; k < K - 1; ++k) p[k][i] = v[k];
  }
}

template <class T, class Rule>
void rows(const double* coefficients, void* const* arrays, int64_t n) {
  constexpr int K = Rule::kArrays;
  const Rule rule(coefficients);
  if constexpr (sizeof(T) > 2) {
    T* typed[K];
    for (int k = 0; k < K; ++k) typed[k] = static_cast<T*>(arrays[k]);
    update(rule, typed, n);
  } else {
    constexpr bool kHalf = dtype_of<T>::value == DType::f16;
    alignas(64) float buffers[K][kBuffer];
    float* wide[K];
    for (int k = 0; k < K; ++k) wide[k] = buffers[k];
    for (int64_t at = 0; at < n; at += kBuffer) {
      const int64_t count = n - at < kBuffer ? n - at : kBuffer;
      for (int k = 0; k < K; ++k)
        (kHalf ? widen_f16 : widen_bf16)(static_cast<uint16_t*>(arrays[k]) + at, wide[k], count);
      update(rule, wide, count);
      for (int k = 0; k < K - 1; ++k)
        (kHalf ? narrow_f16 : narrow_bf16)(wide[k], static_cast<uint16_t*>(arrays[k]) + at, count);
    }
  }
}

}  // namespace

void optimizer_rows(int rule, DType dtype, const double* coefficients, void* const* arrays,
                    int64_t n) {
  switch (static_cast<optimizer::Rule>(rule)) {
#define TG_RULE(name)                                                                           \
  case optimizer::Rule::name:                                                                   \
    TG_DISPATCH_FLOAT(dtype, T,                                                                 \
                      return (rows<T, optimizer::name<compute_t<T>>>(coefficients, arrays, n))) \
    break;
    TG_UPDATES(TG_RULE)
#undef TG_RULE
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
