// int8_matmul: out (..., m, n) from bytes a (..., m, k) and b (..., k, n), exact in s32 at every value on every machine.
#pragma once

#include "core/int8_product.h"

namespace tilegrad {

// Inputs: a, b, then each or absent: a_zero_point (i32, one or m), b_zero_point (i32, one or n), scale (f32, one or n),
// bias (i32 or f32, n). Attributes: dtype of the output, out_zero_point, relu.
void int8_matmul_cpu(KernelArgs& args);
void int8_matmul_cuda(KernelArgs& args);

}  // namespace tilegrad
