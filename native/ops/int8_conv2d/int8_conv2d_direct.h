// The direct convolution of bytes: no matrix of patches, the taps of the kernel are offsets into the padded image.
#pragma once

#include "core/conv_shape.h"
#include "core/cpu/int8_epilogue.h"
#include "core/packed_forms.h"

namespace tilegrad {

struct Int8Conv {
  ConvShape shape;
  const uint8_t* x = nullptr;       // (n, c, h, w), signed as epilogue.b_signed says
  const uint8_t* weight = nullptr;  // (k, c / groups, r, s), signed as epilogue.a_signed says
  uint8_t padding = 0;              // the byte that stands for zero in x
  PackedForms* packed = nullptr;    // of the weight, if it stays the same from call to call
  bool pool = false;                // of each 2 x 2 of the results only the greatest is wanted
  Int8Epilogue epilogue;            // of the first image; channels are its rows
};

// Weights are i8 without a zero point. Any stride, padding, dilation and groups.
void int8_conv2d_direct(const Int8Conv& d);

// The same for groups of one channel, without pooling.
void int8_conv2d_depthwise(const Int8Conv& d);

}  // namespace tilegrad
