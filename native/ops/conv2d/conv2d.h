// conv2d and its two gradients: shapes and the kernels per device.
#pragma once

#include "core/op.h"
#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

extern const OpDef conv2d_op;
extern const OpDef conv2d_input_grad_op;
extern const OpDef conv2d_weight_grad_op;

// The convolution of x (n, c, h, w) with weight (k, c / groups, r, s) by the attributes stride, padding
// (top, bottom, left, right), dilation and groups. Throws ERR_ARGUMENT and ERR_SHAPE.
ConvShape conv_shape(const Attrs& attrs, const Shape& x, const Shape& weight);

void conv2d_cpu(KernelArgs& args);              // x, weight, bias or absent
void conv2d_input_grad_cpu(KernelArgs& args);   // dy, weight; attribute shape: that of x
void conv2d_weight_grad_cpu(KernelArgs& args);  // x, dy; attribute shape: that of weight

}  // namespace tilegrad
