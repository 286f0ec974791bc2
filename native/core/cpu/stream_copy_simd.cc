// Stores without allocation in the caches where the instruction set has them, else plain ones.
#include <cstddef>

#include "core/cpu/simd.h"
#include "core/cpu/stream_copy.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tilegrad::TILEGRAD_ISA {

void stream_copy(const void* from, void* to, int64_t bytes) {
  int64_t at = 0;
#if defined(__x86_64__)
  const char* in = static_cast<const char*>(from);
  char* out = static_cast<char*>(to);
  for (; at + 64 <= bytes; at += 64) {
#if defined(TILEGRAD_ISA_AVX512)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(out + at), _mm512_loadu_si512(in + at));
#elif defined(TILEGRAD_ISA_AVX2)
    for (int i = 0; i < 64; i += 32) {
      const auto* half = reinterpret_cast<const __m256i*>(in + at + i);
      _mm256_stream_si256(reinterpret_cast<__m256i*>(out + at + i), _mm256_loadu_si256(half));
    }
#else
    for (int i = 0; i < 64; i += 16) {
      const auto* part = reinterpret_cast<const __m128i*>(in + at + i);
      _mm_stream_si128(reinterpret_cast<__m128i*>(out + at + i), _mm_loadu_si128(part));
    }
#endif
  }
#endif
  if (at < bytes) {
    __builtin_memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at,
                     static_cast<size_t>(bytes - at));
  }
}

void stream_fence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace tilegrad::TILEGRAD_ISA
