// Rows that convert between the dtypes but f16 and bf16.
#pragma once

#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad {

TILEGRAD_SIMD_DECLARE(Row, cast_row, (DType from, DType to))
// f64, i64 and i32 to f32 rounded to odd, so that rounding once more to 16 bits is rounding once.
TILEGRAD_SIMD_DECLARE(Row, cast_odd_row, (DType from))

}  // namespace tilegrad
