// Row kernels of the elementwise functions, one per function and ISA; asked for by dtype.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct RowArgs {
  const void* inputs[3];
  int64_t strides[3];    // in elements, 0 or any positive number; the output row is contiguous
  const double* params;  // of the function, in the order of its schema
  void* out;
  int64_t n;
};
using Row = void (*)(const RowArgs&);

// The row for operands of a dtype; null for f16 and bf16, except where a function moves its operands unread.
#define TG_FUNCTION(inputs, result, name, dtypes, params, expression) \
  TILEGRAD_SIMD_DECLARE(Row, name##_row, (DType))
#include "ops/elementwise/functors.h"
#undef TG_FUNCTION

}  // namespace tilegrad
