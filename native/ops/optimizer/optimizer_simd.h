// The update of n elements of one parameter, in place, for each ISA.
#pragma once

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// arrays: the parameter, its states, the gradient; `rule` is an optimizer::Rule.
TILEGRAD_SIMD_DECLARE(void, optimizer_rows,
                      (int rule, DType dtype, const double* coefficients, void* const* arrays,
                       int64_t n))

}  // namespace tilegrad
