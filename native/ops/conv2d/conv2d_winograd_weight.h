// Weight gradient of 3 x 3 convolutions of stride 1 by Winograd's algorithm.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// Computes dw (k, c / groups, 3, 3) where winograd_fits(s). False where it does not pay, or where a tap came out
// infinite or NaN, which reach other taps here than they should: the caller then computes directly.
bool run_winograd_weight(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                         float* dw);

}  // namespace tilegrad
