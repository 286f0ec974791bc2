// int8_conv2d: 2-D convolution of bytes, exact in s32 at every value on every machine.
#pragma once

#include "core/int8_product.h"

namespace tilegrad {

// Inputs: x (n, c, h, w), weight (k, c / groups, r, s), then each or absent: x_zero_point (i32, one), weight_zero_point
// (i32, one or k), scale (f32, one or k), bias (i32 or f32, k). Padding has the value x_zero_point.
void int8_conv2d_cpu(KernelArgs& args);
void int8_conv2d_cuda(KernelArgs& args);

// x (n, c, h, w) floats, weight i8, weight_scale f32 (one or k), bias f32 (k) or absent; attributes of a convolution and relu.
// The floats become u8 by their own range, out f32.
void int8_conv2d_dynamic_cpu(KernelArgs& args);
void int8_conv2d_dynamic_cuda(KernelArgs& args);

// The same, of each 2 x 2 of the results only the greatest.
void int8_conv2d_max_pool2d_dynamic_cpu(KernelArgs& args);
void int8_conv2d_max_pool2d_dynamic_cuda(KernelArgs& args);

}  // namespace tilegrad
