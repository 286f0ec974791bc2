// The direct convolution of bytes: no matrix of patches, the taps of the kernel are offsets into the padded image.
#pragma once

#include "core/conv_shape.h"
#include "core/cpu/int8_epilogue.h"

namespace tilegrad {

struct Int8Direct {
  ConvShape shape;
  const uint8_t* x = nullptr;  // (n, c, h, w)
  bool x_signed = false;
  const int8_t* weight = nullptr;  // (k, c / groups, r, s)
  uint8_t padding = 0;             // the byte that stands for zero in x
  // Of the whole output: channels are its rows. `out` and `out_row` are those of image 0.
  Int8Epilogue epilogue;
};

// Weights are i8 without a zero point. Any stride, padding, dilation and groups.
void int8_conv2d_direct(const Int8Direct& d);

}  // namespace tilegrad
