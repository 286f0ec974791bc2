// conv2d and its two gradients: shapes and the kernels per device.
#pragma once

#include "core/op.h"
#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// How 16-bit floats are widened, in elements of f32: images by groups, whose size depends on the shapes alone.
struct ConvWide {
  int64_t images;               // of a group
  int64_t x, y, filters, bias;  // of one image, of one result, of the weight, of a bias

  explicit ConvWide(const ConvShape& s);
  int64_t forward(bool residual) const {
    return images * (x + y * (residual ? 2 : 1)) + filters + bias;
  }
  int64_t input_gradient() const { return images * (x + y) + filters; }
  // The sums over all groups and, where there are several, over one.
  int64_t weight_gradient(int64_t n) const {
    return images * (x + y) + (n > images ? 2 : 1) * filters;
  }
};

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
