// Input gradient of few output pixels as a product of matrices whose results are summed up by pixels.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// False where another way does better. dy as it lies, not pooled.
bool run_col2im(const ConvShape& s, const float* dy, const float* weight, float* dx);
bool run_col2im(const ConvShape& s, const double* dy, const double* weight, double* dx);

}  // namespace tilegrad
