// The gradients of a convolution under pooling, by their entries: of the four places of each window only one has a
// gradient, so a quarter of the multiply-adds is left.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// False where a dilation sets taps apart or one image does not stay in the cache.
bool pooled_weight_gradient_fits(const ConvShape& shape);
bool pooled_input_gradient_fits(const ConvShape& shape);

// dweight (k, c / groups, r, s), and dbias (k) where it is not null.
void pooled_weight_gradient(const ConvShape& shape, const float* x, const ConvGradient<float>& dy,
                            float* dweight, float* dbias);
// dx (n, c, h, w).
void pooled_input_gradient(const ConvShape& shape, const ConvGradient<float>& dy,
                           const float* weight, float* dx);

}  // namespace tilegrad
