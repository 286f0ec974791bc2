// Floats as u8 by their own range on the device: dynamic_quantize of core/cpu. Nothing comes back to the host.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/int8_product.h"

namespace tilegrad::cuda {

/// Enqueues the levels of n floats (f32, f16, bf16), their scale and their zero point.
void dynamic_quantize(CudaStream& stream, DType dtype, const void* x, int64_t n, uint8_t* levels,
                      float* scale, int32_t* zero);

/// The first operand of a product that quantises it itself (Int8DynamicInput), in memory that `kept` holds.
struct DynamicOperand {
  BufferRef kept;
  const uint8_t* levels;
  const int32_t* zero;
  Int8Epilogue epilogue;  // but for zero points, depth and output
};

/// Enqueues its levels and the scales of the product, per row of it where rows are channels, else per column.
DynamicOperand dynamic_operand(CudaStream& stream, const KernelArgs& args, int64_t channels,
                               bool rows);

}  // namespace tilegrad::cuda
