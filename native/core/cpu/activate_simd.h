// The curved activations of results that a product has just written.
#pragma once

#include <cstdint>

#include "core/activation.h"
#include "core/cpu/isa.h"

namespace tilegrad {

// Rows of `cols` values in place, `row` elements from one to the next.
TILEGRAD_SIMD_DECLARE(void, activate_rows_f32,
                      (float* c, int64_t row, int64_t rows, int64_t cols, Activation activation))
TILEGRAD_SIMD_DECLARE(void, activate_rows_f64,
                      (double* c, int64_t row, int64_t rows, int64_t cols, Activation activation))

}  // namespace tilegrad
