// Row kernels of the elementwise functions, one per function and ISA; asked for by dtype.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// Strides in elements, 0 or any positive number; the output row is contiguous.
using UnaryRow = void (*)(const void* x, int64_t x_stride, void* out, int64_t n);
using BinaryRow = void (*)(const void* a, int64_t a_stride, const void* b, int64_t b_stride,
                           void* out, int64_t n);

#define TG_UNARY(name, dtypes, expression) TILEGRAD_SIMD_DECLARE(UnaryRow, name##_row, (DType))
#define TG_BINARY(name, dtypes, expression) TILEGRAD_SIMD_DECLARE(BinaryRow, name##_row, (DType))
#include "ops/elementwise/functors.h"

}  // namespace tilegrad
