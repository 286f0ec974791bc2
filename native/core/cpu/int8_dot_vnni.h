// Products of bytes with AVX-VNNI, for kernels of AVX2 that ask has_avx_vnni() first.
#pragma once

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {

// sum += a . b in each lane: 4 unsigned bytes of a, signed of b. By hand, since the compiler may not use it elsewhere.
TG_SIMD VecU32 dot_bytes_vnni(VecU32 sum, VecU32 a, VecU32 b) {
#if defined(TILEGRAD_ISA_AVX2)
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
  (void)a, (void)b;
#endif
  return sum;
}

}  // namespace tilegrad::TILEGRAD_ISA
