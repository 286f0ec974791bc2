// Rows of clip_grad_norm, by dtype.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct ClipKernels {
  double (*squares)(const void* x, int64_t n);  // their sum
  void (*scale)(void* x, int64_t n, double factor);
};

TILEGRAD_SIMD_DECLARE(ClipKernels, clip_kernels, (DType dtype))

}  // namespace tilegrad
