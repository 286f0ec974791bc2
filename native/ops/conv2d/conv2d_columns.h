// Input gradient through columns, for small images under large kernels.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// True where columns need clearly less arithmetic than the direct convolution of padded dy does.
bool columns_suit(const ConvShape& shape, int element_size);

void columns_input_gradient(const ConvShape& shape, const ConvGradient<float>& dy,
                            const float* weight, float* dx);
void columns_input_gradient(const ConvShape& shape, const ConvGradient<double>& dy,
                            const double* weight, double* dx);

}  // namespace tilegrad
