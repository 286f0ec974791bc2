// What the rooms of integer products share: checks of their operands, and the attributes of their outputs.
#pragma once

#include "core/cpu/dynamic_quantize.h"
#include "core/cpu/int8_epilogue.h"
#include "core/op.h"

namespace tilegrad {

// Inputs of every integer product: two operands, then each or absent: a zero point of either operand (i32), scale (f32)
// and bias (i32 or f32).
enum Int8Input { kInt8First, kInt8Second, kInt8FirstZero, kInt8SecondZero, kInt8Scale, kInt8Bias };

/// Throws ERR_DTYPE unless input i holds u8 or i8.
void expect_bytes(const InferContext& ctx, int i, const char* what);

/// Throws unless input i is absent, or of that dtype with one value or `count` of them.
void expect_values(const InferContext& ctx, int i, const char* what, DType dtype, int64_t count);

/// Checks scale and bias (one value, or one for each of `channels`) and TG_INT8_ATTRS; returns the output's dtype.
DType int8_output_dtype(const InferContext& ctx, int64_t channels);

// Inputs of the products that quantise their first operand themselves.
enum Int8DynamicInput { kDynamicX, kDynamicWeight, kDynamicScale, kDynamicBias };

/// Throws unless x is f32, f16 or bf16, weight i8 of that rank, weight_scale f32 with one value or one for each output channel,
/// and bias f32 for each or absent. Returns the number of channels.
int64_t expect_dynamic(const InferContext& ctx, int weight_rank);

/// The epilogue of such a product whose x was quantised so; `scales` has room for one float a channel. Per row of the
/// product where rows are channels, else per column.
Int8Epilogue dynamic_epilogue(const KernelArgs& args, DynamicScale x, int64_t channels, bool rows,
                              float* scales);

/// The same where the scales are made elsewhere.
Int8Epilogue dynamic_epilogue(const KernelArgs& args, const float* scales, bool rows);

/// An epilogue with what the attributes and the dtypes of the operands say.
Int8Epilogue int8_epilogue_of(const KernelArgs& args);

}  // namespace tilegrad

// The attributes that int8_output_dtype reads, for the schema of an OpDef.
#define TG_INT8_ATTRS \
  {"dtype", AttrType::dtype}, {"out_zero_point", AttrType::integer}, { "relu", AttrType::boolean }
