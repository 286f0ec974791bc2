// Slices of softmax and its gradient, by dtype. Rows: `rows` rows of n neighbours. Columns: n values
// `stride` apart, for each of `columns` neighbouring columns.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// `scratch`: n floats, for 16-bit dtypes.
using SoftmaxRows = void (*)(const void* x, void* y, int64_t rows, int64_t n, float* scratch);
using SoftmaxColumns = void (*)(const void* x, void* y, int64_t n, int64_t stride, int64_t columns);
using SoftmaxGradRows = void (*)(const void* dout, const void* y, void* dx, int64_t rows,
                                 int64_t n);
using SoftmaxGradColumns = void (*)(const void* dout, const void* y, void* dx, int64_t n,
                                    int64_t stride, int64_t columns);

struct SoftmaxKernels {
  SoftmaxRows rows;
  SoftmaxColumns columns;
  SoftmaxGradRows grad_rows;
  SoftmaxGradColumns grad_columns;
};

TILEGRAD_SIMD_DECLARE(SoftmaxKernels, softmax_kernels, (DType dtype, bool log))

}  // namespace tilegrad
