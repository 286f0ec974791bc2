// Which instruction set the CPU kernels of this process use: chosen once, from the processor or
// from TILEGRAD_ISA.
//
// A kernel that gains from SIMD lives in a file named *_simd.cc. The build compiles it once per
// ISA, each time with that ISA's flags and -DTILEGRAD_ISA=<name> -DTILEGRAD_ISA_<NAME>=1. A room
// uses it so, the declaration in namespace tilegrad, the kernel in tilegrad::TILEGRAD_ISA:
//   softmax_simd.h:   TILEGRAD_SIMD_DECLARE(void, softmax_rows,
//                                          (const float* x, float* y, int64_t n))
//   softmax_simd.cc:  void softmax_rows(const float* x, float* y, int64_t n) { ... }
//   softmax_cpu.cc:   TILEGRAD_SIMD(softmax_rows)(x, y, n);
//
// Names are plain functions, not overloaded, not templates. Everything else in such a file stands
// in an anonymous namespace or in tilegrad::TILEGRAD_ISA. It includes nothing that brings inline
// functions or templates of the standard library (<vector>, <algorithm>, <cmath> wrappers): the
// linker keeps one copy of those, and it could be the AVX-512 one.
#pragma once

#include <cstdint>

namespace tilegrad {

enum class Isa : uint8_t { portable, avx2, avx512, neon };

// Throws where TILEGRAD_ISA names an ISA that is unknown or that this processor or build does not
// have.
Isa isa();
const char* isa_name();
// The best that this processor has, whatever TILEGRAD_ISA says.
Isa detected_isa();

}  // namespace tilegrad

#if defined(__x86_64__)

#define TILEGRAD_SIMD_DECLARE(ret, name, args) \
  namespace portable {                         \
  ret name args;                               \
  }                                            \
  namespace avx2 {                             \
  ret name args;                               \
  }                                            \
  namespace avx512 {                           \
  ret name args;                               \
  }
#define TILEGRAD_SIMD(name)                                                 \
  (::tilegrad::isa() == ::tilegrad::Isa::avx512 ? &::tilegrad::avx512::name \
   : ::tilegrad::isa() == ::tilegrad::Isa::avx2 ? &::tilegrad::avx2::name   \
                                                : &::tilegrad::portable::name)

#elif defined(__aarch64__)

#define TILEGRAD_SIMD_DECLARE(ret, name, args) \
  namespace portable {                         \
  ret name args;                               \
  }                                            \
  namespace neon {                             \
  ret name args;                               \
  }
#define TILEGRAD_SIMD(name)                                             \
  (::tilegrad::isa() == ::tilegrad::Isa::neon ? &::tilegrad::neon::name \
                                              : &::tilegrad::portable::name)

#else

#define TILEGRAD_SIMD_DECLARE(ret, name, args) \
  namespace portable {                         \
  ret name args;                               \
  }
#define TILEGRAD_SIMD(name) (&::tilegrad::portable::name)

#endif
