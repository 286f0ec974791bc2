// Direct convolution of few images with filters along the lanes.
#pragma once

#include "ops/conv2d/conv2d_direct.h"

namespace tilegrad {

// Whether it pays; `taps` of a kernel lie one after the other in the weight.
bool filters_suit(const DirectConv<float>& conv, int64_t taps);

// Computes conv; `image` is as run_direct takes it, its taps in the order of the weight.
void run_filters(const DirectConv<float>& conv, const ConvImage& image);

}  // namespace tilegrad
