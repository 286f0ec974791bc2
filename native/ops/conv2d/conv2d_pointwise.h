// 1 x 1 convolution of stride 1 as one product of matrices.
#pragma once

#include "core/conv_shape.h"
#include "ops/conv2d/conv2d_direct.h"

namespace tilegrad {

// Kernels of 1 x 1, stride 1, no padding: output pixels are those of the input.
inline bool pointwise_fits(const ConvShape& s) {
  return s.r * s.s * s.stride_h * s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
         s.p == s.h && s.q == s.w;
}

// Computes conv, one weight per channel and output channel, whose output planes are whole. False where the
// direct convolution does better.
bool run_pointwise(const DirectConv<float>& conv);
bool run_pointwise(const DirectConv<double>& conv);

}  // namespace tilegrad
