// Weight gradient of a 1 x 1 convolution of stride 1 as a product of matrices.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// False where another way does better.
bool run_pointwise_weight(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                          float* dw);
bool run_pointwise_weight(const ConvShape& s, const double* x, const ConvGradient<double>& dy,
                          double* dw);

}  // namespace tilegrad
