// int8_conv2d: 2-D convolution of bytes, exact in s32 at every value on every machine.
#pragma once

#include "core/int8_product.h"

namespace tilegrad {

// Inputs: x (n, c, h, w), weight (k, c / groups, r, s), then each or absent: x_zero_point (i32, one), weight_zero_point
// (i32, one or k), scale (f32, one or k), bias (i32 or f32, k). Padding has the value x_zero_point.
void int8_conv2d_cpu(KernelArgs& args);
void int8_conv2d_cuda(KernelArgs& args);

}  // namespace tilegrad
