// OpDefs of the 2-D convolution (NCHW, cross-correlation as torch's conv2d) and its two gradients.
#include "ops/conv2d/conv2d.h"

#include "core/precision.h"
#include "core/workspace.h"

namespace tilegrad {

namespace {

void expect_conv_dtypes(InferContext& ctx) {
  ctx.expect_float(0, "the first input");
  ctx.expect_same_dtype(0, 1, "the first input", "the second");
}

void expect_output_grad(InferContext& ctx, const Shape& dy, const ConvShape& c) {
  Shape expected{c.n, c.k, c.p, c.q};
  if (dy != expected)
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", expected, " but has ", dy);
}

bool widens(const InferContext& ctx) { return dtype_size(ctx.dtype(0)) == 2; }

void conv2d_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  ConvShape c = conv_shape(ctx.attrs, ctx.shape(0), ctx.shape(1));
  if (ctx.has(2)) {
    ctx.expect_same_dtype(0, 2, "input", "bias");
    if (ctx.shape(2) != Shape{c.k})
      ctx.fail(ErrorCode::shape, "bias must have shape [", c.k, "] but has ", ctx.shape(2));
  }
  const Shape y = {c.n, c.k, c.p, c.q};
  if (ctx.has(3)) {
    ctx.expect_same_dtype(0, 3, "input", "residual");
    if (ctx.shape(3) != y)
      ctx.fail(ErrorCode::shape, "residual must have the output's shape ", y, " but has ",
               ctx.shape(3));
  }
  ctx.output(y, ctx.dtype(0));
  if (widens(ctx)) request_workspace(ctx, ConvWide(c).forward(ctx.has(3)));
}

void conv2d_input_grad_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  const ConvShape c = conv_shape(ctx.attrs, x, ctx.shape(1));
  expect_output_grad(ctx, ctx.shape(0), c);
  ctx.output(x, ctx.dtype(0));
  if (widens(ctx)) request_workspace(ctx, ConvWide(c).input_gradient());
}

void conv2d_weight_grad_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  Shape weight = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, weight);
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(0), weight);
  expect_output_grad(ctx, ctx.shape(1), c);
  ctx.output(weight, ctx.dtype(0));
  if (widens(ctx)) request_workspace(ctx, ConvWide(c).weight_gradient(c.n));
}

}  // namespace

const OpDef conv2d_op = {.name = "conv2d",
                         .inputs = {2, 4},
                         .attrs = {TG_CONV_ATTRS,
                                   TG_PRECISION_ATTR,
                                   {"winograd", AttrType::boolean},
                                   {"activation", AttrType::choice, "none|relu|relu6"}},
                         .infer = conv2d_infer,
                         .cpu = conv2d_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(conv2d_cuda),
                         .constant_input = 1,
                         .kept_inputs = 2};
const OpDef conv2d_input_grad_op = {.name = "conv2d_input_grad",
                                    .inputs = {2, 2},
                                    .attrs = {TG_CONV_ATTRS,
                                              TG_PRECISION_ATTR,
                                              {"winograd", AttrType::boolean},
                                              {"shape", AttrType::integers}},
                                    .infer = conv2d_input_grad_infer,
                                    .cpu = conv2d_input_grad_cpu,
                                    .cuda = TILEGRAD_CUDA_KERNEL(conv2d_input_grad_cuda),
                                    .kept_inputs = 2};
const OpDef conv2d_weight_grad_op = {.name = "conv2d_weight_grad",
                                     .inputs = {2, 2},
                                     .attrs = {TG_CONV_ATTRS,
                                               TG_PRECISION_ATTR,
                                               {"winograd", AttrType::boolean},
                                               {"shape", AttrType::integers}},
                                     .infer = conv2d_weight_grad_infer,
                                     .cpu = conv2d_weight_grad_cpu,
                                     .cuda = TILEGRAD_CUDA_KERNEL(conv2d_weight_grad_cuda),
                                     .kept_inputs = 2};

}  // namespace tilegrad
