// conv2d and its two gradients: shapes and the kernels per device.
#pragma once

#include "core/op.h"
#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

extern const OpDef conv2d_op;
extern const OpDef conv2d_input_grad_op;
extern const OpDef conv2d_weight_grad_op;

void conv2d_cpu(KernelArgs& args);              // x, weight, bias or absent, residual or absent
void conv2d_input_grad_cpu(KernelArgs& args);   // dy, weight; attribute shape: that of x
void conv2d_weight_grad_cpu(KernelArgs& args);  // x, dy; attribute shape: that of weight

void conv2d_max_pool2d_cpu(KernelArgs& args);
void conv2d_max_pool2d_grad_cpu(KernelArgs& args);

void conv2d_cuda(KernelArgs& args);
void conv2d_input_grad_cuda(KernelArgs& args);
void conv2d_weight_grad_cuda(KernelArgs& args);

void conv2d_max_pool2d_cuda(KernelArgs& args);
void conv2d_max_pool2d_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
