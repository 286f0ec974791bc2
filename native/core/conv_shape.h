// The sizes of a 2-D convolution, as its attributes and shapes give them: for every room that convolves.
#pragma once

#include "core/op.h"

namespace tilegrad {

// Tensors are contiguous: x (n, c, h, w), weight (k, c / groups, r, s), y (n, k, p, q). k and c are
// multiples of groups; p and q are what padding, stride and dilation give. Padding may differ from
// side to side; the far sides only enter through p and q.
struct ConvShape {
  int64_t n = 0, c = 0, h = 0, w = 0;
  int64_t k = 0, r = 0, s = 0;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  int64_t p = 0, q = 0;
};

// The convolution of x (n, c, h, w) with weight (k, c / groups, r, s) by the attributes stride, padding
// (top, bottom, left, right), dilation and groups. Throws ERR_ARGUMENT and ERR_SHAPE.
ConvShape conv_shape(const Attrs& attrs, const Shape& x, const Shape& weight);

}  // namespace tilegrad

// The attributes that conv_shape reads, for the schema of an OpDef.
#define TG_CONV_ATTRS                                              \
  {"stride", AttrType::integers}, {"padding", AttrType::integers}, \
      {"dilation", AttrType::integers}, {                          \
    "groups", AttrType::integer                                    \
  }
