// Rows of layer_norm, by dtype. Statistics are of the compute type, one for each row.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct NormRows {
  int64_t rows, n;
  bool center;         // false: rms_norm, whose mean is 0
  const void* weight;  // (n), or null
  const void* bias;    // (n), or null
};

struct LayerNormKernels {
  void (*forward)(const void* x, void* y, const NormRows& rows, double eps, void* mean, void* rstd);
  // `run`: 2 n values of the compute type; dweight and dbias (n) are added to, or null for none.
  void (*backward)(const void* dout, const void* x, void* dx, const NormRows& rows,
                   const void* mean, const void* rstd, void* run, double* dweight, double* dbias);
};

TILEGRAD_SIMD_DECLARE(LayerNormKernels, layer_norm_kernels, (DType dtype))

}  // namespace tilegrad
