// Weight gradient of many filters as a product of matrices.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// False where another way does better.
bool run_patch_gradient(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                        float* dw);
bool run_patch_gradient(const ConvShape& s, const double* x, const ConvGradient<double>& dy,
                        double* dw);

}  // namespace tilegrad
