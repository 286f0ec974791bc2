// Floats as u8 by their own range, for every kernel that quantises its input.
#pragma once

#include "core/dtype.h"

namespace tilegrad {

// x is about (level - zero) * scale.
struct DynamicScale {
  float scale;
  int32_t zero;
};

// Levels of n floats (f32, f16, bf16): their least and greatest value and 0 give scale and zero point, rounding is half to even,
// NaN takes no part and becomes the zero point. Of zeros the scale is 1.
DynamicScale dynamic_quantize(DType dtype, const void* x, int64_t n, uint8_t* out);

}  // namespace tilegrad
