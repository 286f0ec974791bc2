#include "core/cpu/half.h"

#include "core/parallel.h"

namespace tilegrad {

namespace {
constexpr int64_t kGrain = 32768;
}

void widen(DType from, const void* in, float* out, int64_t n) {
  const auto* bits = static_cast<const uint16_t*>(in);
  const auto run = from == DType::f16 ? TILEGRAD_SIMD(widen_f16) : TILEGRAD_SIMD(widen_bf16);
  parallel_for(n, kGrain,
               [&](int64_t begin, int64_t end) { run(bits + begin, out + begin, end - begin); });
}

void narrow(DType to, const float* in, void* out, int64_t n) {
  auto* bits = static_cast<uint16_t*>(out);
  const auto run = to == DType::f16 ? TILEGRAD_SIMD(narrow_f16) : TILEGRAD_SIMD(narrow_bf16);
  parallel_for(n, kGrain,
               [&](int64_t begin, int64_t end) { run(in + begin, bits + begin, end - begin); });
}

}  // namespace tilegrad
