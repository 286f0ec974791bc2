#include "ops/int8_conv2d/int8_conv2d.h"

#include "core/conv_shape.h"

namespace tilegrad {
namespace {

void int8_conv2d_infer(InferContext& ctx) {
  expect_bytes(ctx, kInt8First, "input");
  expect_bytes(ctx, kInt8Second, "weight");
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(kInt8First), ctx.shape(kInt8Second));
  expect_values(ctx, kInt8FirstZero, "x_zero_point", DType::i32, 1);
  expect_values(ctx, kInt8SecondZero, "weight_zero_point", DType::i32, c.k);
  const DType dtype = int8_output_dtype(ctx, c.k);
  ctx.output({c.n, c.k, c.p, c.q}, dtype);
}

void int8_conv2d_dynamic_infer(InferContext& ctx) {
  expect_dynamic(ctx, 4);
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(kDynamicX), ctx.shape(kDynamicWeight));
  ctx.output({c.n, c.k, c.p, c.q}, DType::f32);
}

void int8_conv2d_max_pool2d_dynamic_infer(InferContext& ctx) {
  expect_dynamic(ctx, 4);
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(kDynamicX), ctx.shape(kDynamicWeight));
  if (c.p < 2 || c.q < 2)
    ctx.fail(ErrorCode::shape, "no window of 2 x 2 fits into the result ",
             Shape{c.n, c.k, c.p, c.q});
  ctx.output({c.n, c.k, c.p / 2, c.q / 2}, DType::f32);
}

}  // namespace

extern const OpDef int8_conv2d_op, int8_conv2d_dynamic_op, int8_conv2d_max_pool2d_dynamic_op;
const OpDef int8_conv2d_op = {.name = "int8_conv2d",
                              .inputs = {2, 6},
                              .attrs = {TG_CONV_ATTRS, TG_INT8_ATTRS},
                              .infer = int8_conv2d_infer,
                              .cpu = int8_conv2d_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(int8_conv2d_cuda),
                              .constant_input = kInt8Second,
                              .kept_inputs = 2};

const OpDef int8_conv2d_dynamic_op = {.name = "int8_conv2d_dynamic",
                                      .inputs = {3, 4},
                                      .attrs = {TG_CONV_ATTRS, {"relu", AttrType::boolean}},
                                      .infer = int8_conv2d_dynamic_infer,
                                      .cpu = int8_conv2d_dynamic_cpu,
                                      .cuda = TILEGRAD_CUDA_KERNEL(int8_conv2d_dynamic_cuda),
                                      .constant_input = kDynamicWeight};

const OpDef int8_conv2d_max_pool2d_dynamic_op = {
    .name = "int8_conv2d_max_pool2d_dynamic",
    .inputs = {3, 4},
    .attrs = {TG_CONV_ATTRS, {"relu", AttrType::boolean}},
    .infer = int8_conv2d_max_pool2d_dynamic_infer,
    .cpu = int8_conv2d_max_pool2d_dynamic_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(int8_conv2d_max_pool2d_dynamic_cuda),
    .constant_input = kDynamicWeight};

}  // namespace tilegrad
