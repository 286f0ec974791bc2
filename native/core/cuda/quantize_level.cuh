// The integer that stands for a float, on the device.
#pragma once

#include "core/cuda/launch.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

// As level() of quantize_rows_simd.cc. A division that the compiler may not approximate.
__device__ inline int32_t level(float x, float scale, int32_t zero, int32_t low, int32_t high) {
  float y = x / scale;
  y = y == y ? y : 0.0f;
  const float least = static_cast<float>(low - zero), most = static_cast<float>(high - zero);
  y = y < least ? least : y;
  y = y > most ? most : y;
  return static_cast<int32_t>(float_to_bits(y + 12582912.0f)) - 0x4b400000;
}

}  // namespace tilegrad::cuda
