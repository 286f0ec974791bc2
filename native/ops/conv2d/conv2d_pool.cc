// OpDefs of the convolution with activation and pooling by 2 x 2 windows at stride 2, and its gradients in
// one op: neither the result before pooling nor its gradient, four times the size, go through memory.
#include "core/parallel.h"
#include "ops/conv2d/conv2d.h"

namespace tilegrad {

namespace {

Shape pooled_shape(const InferContext& ctx, const ConvShape& c) {
  if (c.p < 2 || c.q < 2)
    ctx.fail(ErrorCode::shape, "no window of 2 x 2 fits into the result ",
             Shape{c.n, c.k, c.p, c.q});
  return {c.n, c.k, c.p / 2, c.q / 2};
}

void conv2d_max_pool2d_infer(InferContext& ctx) {
  ctx.expect_dtype(0, "input", DType::f32);
  ctx.expect_dtype(1, "weight", DType::f32);
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(0), ctx.shape(1));
  if (ctx.has(2)) {
    ctx.expect_dtype(2, "bias", DType::f32);
    if (ctx.shape(2) != Shape{c.k})
      ctx.fail(ErrorCode::shape, "bias must have shape [", c.k, "] but has ", ctx.shape(2));
  }
  const Shape y = pooled_shape(ctx, c);
  ctx.output(y, DType::f32);
  if (ctx.attrs.boolean("taps")) ctx.output(y, DType::u8);
}

// dy, x, weight, y, taps; gives the gradients that the attributes ask for.
void conv2d_max_pool2d_grad_infer(InferContext& ctx) {
  const ConvShape c = conv_shape(ctx.attrs, ctx.shape(1), ctx.shape(2));
  const Shape y = pooled_shape(ctx, c);
  for (int i = 0; i < 5; ++i) {
    if (i < 4) ctx.expect_dtype(i, "an input", DType::f32);
    if (i != 1 && i != 2 && ctx.shape(i) != y)
      ctx.fail(ErrorCode::shape, "input ", i, " must have shape ", y, " but has ", ctx.shape(i));
  }
  ctx.expect_dtype(4, "taps", DType::u8);
  if (ctx.attrs.boolean("input")) ctx.output(ctx.shape(1), DType::f32);
  if (ctx.attrs.boolean("weight")) ctx.output(ctx.shape(2), DType::f32);
  if (ctx.attrs.boolean("bias")) ctx.output({c.k}, DType::f32);
}

}  // namespace

#define TG_CONV_ACTIVATION \
  { "activation", AttrType::choice, "none|relu|relu6" }

extern const OpDef conv2d_max_pool2d_op;
const OpDef conv2d_max_pool2d_op = {
    .name = "conv2d_max_pool2d",
    .inputs = {2, 3},
    .attrs = {TG_CONV_ATTRS, TG_CONV_ACTIVATION, {"taps", AttrType::boolean}},
    .infer = conv2d_max_pool2d_infer,
    .cpu = conv2d_max_pool2d_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(conv2d_max_pool2d_cuda),
    .constant_input = 1};
extern const OpDef conv2d_max_pool2d_grad_op;
const OpDef conv2d_max_pool2d_grad_op = {.name = "conv2d_max_pool2d_grad",
                                         .inputs = {5, 5},
                                         .attrs = {TG_CONV_ATTRS,
                                                   TG_CONV_ACTIVATION,
                                                   {"input", AttrType::boolean},
                                                   {"weight", AttrType::boolean},
                                                   {"bias", AttrType::boolean}},
                                         .infer = conv2d_max_pool2d_grad_infer,
                                         .cpu = conv2d_max_pool2d_grad_cpu,
                                         .cuda = TILEGRAD_CUDA_KERNEL(conv2d_max_pool2d_grad_cuda)};

}  // namespace tilegrad
