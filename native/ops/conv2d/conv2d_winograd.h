// 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3).
#pragma once

#include "core/conv_shape.h"
#include "ops/conv2d/conv2d_direct.h"

namespace tilegrad {

// Kernels of 3 x 3, stride and dilation 1.
inline bool winograd_fits(const ConvShape& s) {
  return s.r == 3 && s.s == 3 && s.stride_h * s.stride_w * s.dilation_h * s.dilation_w == 1;
}

struct WinogradPadding {
  int64_t top, left;
  bool flipped;  // the kernels are turned by 180 degrees, as the input gradient needs them
};

// Computes conv, whose weights are 3 x 3 kernels (weight_channel and weight_row apart, 9 neighbours each)
// and whose output planes are whole. False where it does not pay, or where a sum came out infinite or NaN,
// which reach other outputs here than they should: the caller then computes directly.
bool run_winograd(const DirectConv<float>& conv, const WinogradPadding& padding);

}  // namespace tilegrad
