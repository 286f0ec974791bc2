// Independent multiply-adds that fill the registers: enough of them to hide the latency of two FMA
// units (4 cycles each), and no memory is touched.
#include "core/cpu/peak.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_NEON)
constexpr int kChains = 24;
#else
constexpr int kChains = 12;
#endif

}  // namespace

int peak_flops_per_round() { return kChains * kLanes<float> * 2; }

float peak_multiply_add(int64_t rounds) {
  Vec<float> chain[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chain[i] = broadcast<float>(static_cast<float>(i));
  const Vec<float> factor = broadcast<float>(0.999f), term = broadcast<float>(1e-3f);
  for (int64_t k = 0; k < rounds; ++k) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chain[i] = chain[i] * factor + term;
  }
  Vec<float> sum = {};
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) sum += chain[i];
  return sum_lanes<float>(sum);
}

}  // namespace tilegrad::TILEGRAD_ISA
