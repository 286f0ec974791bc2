// Direct convolution of few images with filters along the lanes.
#pragma once

#include "ops/conv2d/conv2d_direct.h"

namespace tilegrad {

// Computes conv; `image` is as run_direct takes it. False where it does not pay.
bool run_filters(const DirectConv<float>& conv, const ConvImage& image);

}  // namespace tilegrad
