#include "ops/int8_conv2d/int8_conv2d.h"

#include "core/conv_shape.h"

namespace tilegrad {
namespace {

void expect_bytes(const InferContext& ctx, int i, const char* what) {
  if (ctx.dtype(i) != DType::u8 && ctx.dtype(i) != DType::i8)
    ctx.fail(ErrorCode::dtype, what, " must be u8 or i8 but is ", ctx.dtype(i));
}

void expect_values(const InferContext& ctx, int i, const char* what, DType dtype, int64_t count) {
  if (!ctx.has(i)) return;
  ctx.expect_dtype(i, what, dtype);
  const Shape& shape = ctx.shape(i);
  if (shape.rank != 0 && shape != Shape{count})
    ctx.fail(ErrorCode::shape, what, " must have shape [] or [", count, "] but has ", shape);
}

void int8_conv2d_infer(InferContext& ctx) {
  expect_bytes(ctx, kX, "input");
  expect_bytes(ctx, kWeight, "weight");
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(kX), ctx.shape(kWeight));
  expect_values(ctx, kXZeroPoint, "x_zero_point", DType::i32, 1);
  expect_values(ctx, kWeightZeroPoint, "weight_zero_point", DType::i32, c.k);
  expect_values(ctx, kScale, "scale", DType::f32, c.k);
  const DType dtype = ctx.attrs.dtype("dtype");
  const bool bytes = dtype == DType::u8 || dtype == DType::i8;
  if (dtype != DType::i32 && dtype != DType::f32 && !bytes)
    ctx.fail(ErrorCode::dtype, "the output can be i32, f32, u8 or i8 but not ", dtype);
  if (dtype != DType::i32 && !ctx.has(kScale))
    ctx.fail(ErrorCode::argument, "an output of ", dtype, " needs a scale");
  if (dtype == DType::i32 && (ctx.has(kScale) || ctx.attrs.boolean("relu")))
    ctx.fail(ErrorCode::argument, "scale and relu need an output of f32, u8 or i8");
  if (ctx.has(kBias)) {
    if (ctx.shape(kBias) != Shape{c.k})
      ctx.fail(ErrorCode::shape, "bias must have shape [", c.k, "] but has ", ctx.shape(kBias));
    if (ctx.dtype(kBias) != DType::i32 && (ctx.dtype(kBias) != DType::f32 || dtype == DType::i32))
      ctx.fail(ErrorCode::dtype, "bias must be i32", dtype == DType::i32 ? "" : " or f32",
               " but is ", ctx.dtype(kBias));
  }
  const int64_t zero = ctx.attrs.integer("out_zero_point");
  const int64_t low = dtype == DType::i8 ? -128 : 0, high = dtype == DType::i8 ? 127 : 255;
  if (bytes ? zero < low || zero > high : zero != 0)
    ctx.fail(ErrorCode::argument, "out_zero_point ", zero, " does not fit into ", dtype);
  ctx.output({c.n, c.k, c.p, c.q}, dtype);
}

}  // namespace

extern const OpDef int8_conv2d_op;
const OpDef int8_conv2d_op = {.name = "int8_conv2d",
                              .inputs = {2, 6},
                              .attrs = {TG_CONV_ATTRS,
                                        {"dtype", AttrType::dtype},
                                        {"out_zero_point", AttrType::integer},
                                        {"relu", AttrType::boolean}},
                              .infer = int8_conv2d_infer,
                              .cpu = int8_conv2d_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(int8_conv2d_cuda)};

}  // namespace tilegrad
