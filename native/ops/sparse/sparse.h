// Matrices with many zeros in compressed rows (CSR): of row i the values and their columns stand at [row_start[i],
// row_start[i + 1]).
#pragma once

#include "core/op.h"

namespace tilegrad {

enum CsrLinearInput { kCsrX, kCsrRowStart, kCsrColumn, kCsrValue, kCsrBias };

// x (n, k), attribute count: how many elements are not 0. Gives row_start (n + 1), column and value (count, at least one).
void to_csr_cpu(KernelArgs& args);
void to_csr_cuda(KernelArgs& args);

// out (..., n) = x (..., k) W^T + bias, W (n, k) given as row_start, column, value.
void csr_linear_cpu(KernelArgs& args);
void csr_linear_cuda(KernelArgs& args);

}  // namespace tilegrad
