// Depthwise convolution by planes: forward and gradients.
#pragma once

#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

// One filter per channel, square kernels of 3, 5 or 7, stride 1 or 2. The functions return whether they did it.
bool depthwise_forward(const ConvShape& s, const float* x, const float* weight,
                       const ConvEpilogue<float>& epilogue, float* y);
bool depthwise_forward(const ConvShape& s, const double* x, const double* weight,
                       const ConvEpilogue<double>& epilogue, double* y);
bool depthwise_input_gradient(const ConvShape& s, const float* dy, const float* weight, float* dx);
bool depthwise_input_gradient(const ConvShape& s, const double* dy, const double* weight,
                              double* dx);
bool depthwise_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw);
bool depthwise_weight_gradient(const ConvShape& s, const double* x, const double* dy, double* dw);

}  // namespace tilegrad
