#include "core/int8_product.h"

namespace tilegrad {
namespace {

bool is_byte(DType dtype) { return dtype == DType::u8 || dtype == DType::i8; }
int32_t least(DType dtype) { return dtype == DType::i8 ? -128 : 0; }
int32_t greatest(DType dtype) { return dtype == DType::i8 ? 127 : 255; }

}  // namespace

void expect_bytes(const InferContext& ctx, int i, const char* what) {
  if (!is_byte(ctx.dtype(i)))
    ctx.fail(ErrorCode::dtype, what, " must be u8 or i8 but is ", ctx.dtype(i));
}

void expect_values(const InferContext& ctx, int i, const char* what, DType dtype, int64_t count) {
  if (!ctx.has(i)) return;
  ctx.expect_dtype(i, what, dtype);
  const Shape& shape = ctx.shape(i);
  if (shape.rank != 0 && shape != Shape{1} && shape != Shape{count})
    ctx.fail(ErrorCode::shape, what, " must have shape [] or [", count, "] but has ", shape);
}

DType int8_output_dtype(const InferContext& ctx, int64_t channels) {
  expect_values(ctx, kInt8Scale, "scale", DType::f32, channels);
  const DType dtype = ctx.attrs.dtype("dtype");
  if (dtype != DType::i32 && dtype != DType::f32 && !is_byte(dtype))
    ctx.fail(ErrorCode::dtype, "the output can be i32, f32, u8 or i8 but not ", dtype);
  if (dtype != DType::i32 && !ctx.has(kInt8Scale))
    ctx.fail(ErrorCode::argument, "an output of ", dtype, " needs a scale");
  if (dtype == DType::i32 && (ctx.has(kInt8Scale) || ctx.attrs.boolean("relu")))
    ctx.fail(ErrorCode::argument, "scale and relu need an output of f32, u8 or i8");
  if (ctx.has(kInt8Bias)) {
    const DType bias = ctx.dtype(kInt8Bias);
    if (ctx.shape(kInt8Bias) != Shape{channels})
      ctx.fail(ErrorCode::shape, "bias must have shape [", channels, "] but has ",
               ctx.shape(kInt8Bias));
    if (bias != DType::i32 && (bias != DType::f32 || dtype == DType::i32))
      ctx.fail(ErrorCode::dtype, "bias must be i32", dtype == DType::i32 ? "" : " or f32",
               " but is ", bias);
  }
  const int64_t zero = ctx.attrs.integer("out_zero_point");
  if (is_byte(dtype) ? zero < least(dtype) || zero > greatest(dtype) : zero != 0)
    ctx.fail(ErrorCode::argument, "out_zero_point ", zero, " does not fit into ", dtype);
  return dtype;
}

int64_t expect_dynamic(const InferContext& ctx, int weight_rank) {
  const DType x = ctx.dtype(kDynamicX);
  if (x != DType::f32 && x != DType::f16 && x != DType::bf16)
    ctx.fail(ErrorCode::dtype, "x must be f32, f16 or bf16 but is ", x);
  ctx.expect_dtype(kDynamicWeight, "weight", DType::i8);
  ctx.expect_rank(kDynamicWeight, "weight", weight_rank);
  const int64_t channels = ctx.shape(kDynamicWeight)[0];
  expect_values(ctx, kDynamicScale, "weight_scale", DType::f32, channels);
  if (ctx.has(kDynamicBias)) {
    ctx.expect_dtype(kDynamicBias, "bias", DType::f32);
    if (ctx.shape(kDynamicBias) != Shape{channels})
      ctx.fail(ErrorCode::shape, "bias must have shape [", channels, "] but has ",
               ctx.shape(kDynamicBias));
  }
  return channels;
}

Int8Epilogue dynamic_epilogue(const KernelArgs& args, DynamicScale x, int64_t channels, bool rows,
                              float* scales) {
  const View& own = args.inputs[kDynamicScale];
  const bool each = own.numel() > 1;
  for (int64_t i = 0; i < channels; ++i) scales[i] = own.as<float>()[each ? i : 0] * x.scale;
  return dynamic_epilogue(args, scales, rows);
}

Int8Epilogue dynamic_epilogue(const KernelArgs& args, const float* scales, bool rows) {
  Int8Epilogue e;
  e.dtype = DType::f32;
  e.relu = args.attrs.boolean("relu");
  e.scale = {scales, rows, !rows};
  if (args.has(kDynamicBias)) e.bias_f32 = {args.inputs[kDynamicBias].as<float>(), rows, !rows};
  return e;
}

Int8Epilogue int8_epilogue_of(const KernelArgs& args) {
  const DType dtype = args.outputs[0].dtype;
  Int8Epilogue e;
  e.dtype = dtype;
  e.relu = args.attrs.boolean("relu");
  e.out_zero = static_cast<int32_t>(args.attrs.integer("out_zero_point"));
  e.low = least(dtype), e.high = greatest(dtype);
  return e;
}

}  // namespace tilegrad
