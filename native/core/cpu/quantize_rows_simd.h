// Rows of the quantisation kernels, by dtype of the floats.
#pragma once

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// `channels` successive elements share nothing: element i uses scale[i * step] and zero_point[i * step], step 0 or 1.
struct QuantizeRow {
  const void* x;     // floats; of dequantize the integers
  const void* dout;  // of the gradient
  void* out;
  const float* scale;
  const int32_t* zero_point;
  int step;
  int64_t n;
  int32_t low, high;
};
using QuantizeKernel = void (*)(const QuantizeRow& row);

TILEGRAD_SIMD_DECLARE(QuantizeKernel, quantize_row, (DType from, DType to))
TILEGRAD_SIMD_DECLARE(QuantizeKernel, dequantize_row, (DType from))
TILEGRAD_SIMD_DECLARE(QuantizeKernel, fake_quantize_row, (DType dtype))
TILEGRAD_SIMD_DECLARE(QuantizeKernel, fake_quantize_input_grad_row, (DType dtype))

struct Range {
  float least, most;
};
using RangeKernel = Range (*)(const void* x, int64_t n);
// The least and the most of n values and 0; NaN is passed over.
TILEGRAD_SIMD_DECLARE(RangeKernel, range_row, (DType dtype))

}  // namespace tilegrad
