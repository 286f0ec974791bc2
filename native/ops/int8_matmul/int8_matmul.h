// int8_matmul: out (..., m, n) from bytes a (..., m, k) and b (..., k, n), exact in s32 at every value on every machine.
#pragma once

#include "core/int8_product.h"

namespace tilegrad {

// Inputs: a, b, then each or absent: a_zero_point (i32, one or m), b_zero_point (i32, one or n), scale (f32, one or n),
// bias (i32 or f32, n). Attributes: dtype of the output, out_zero_point, relu.
void int8_matmul_cpu(KernelArgs& args);
void int8_matmul_cuda(KernelArgs& args);

// x (..., k) floats, weight (n, k) i8, weight_scale f32 (one or n), bias f32 (n) or absent; attribute relu. The floats become u8
// by their own range, out (..., n) f32.
void int8_linear_dynamic_cpu(KernelArgs& args);
void int8_linear_dynamic_cuda(KernelArgs& args);

}  // namespace tilegrad
