// OpDefs of avg_pool2d, adaptive_avg_pool2d and their gradients.
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

void expect_divisor(InferContext& ctx) {
  int64_t divisor = ctx.attrs.integer("divisor");
  if (divisor < 0)
    ctx.fail(ErrorCode::argument, "divisor must be at least 1, or 0 for none, but is ", divisor);
}

void expect_output_grad(InferContext& ctx, const Shape& out) {
  if (ctx.shape(0) != out)
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", out, " but has ",
             ctx.shape(0));
}

void avg_pool2d_infer(InferContext& ctx) {
  ctx.expect_float(0, "input");
  expect_divisor(ctx);
  PoolShape s = pool_shape(ctx.attrs, ctx.shape(0), false);
  ctx.output(pool_output(s, ctx.shape(0)), ctx.dtype(0));
}

void avg_pool2d_input_grad_infer(InferContext& ctx) {
  ctx.expect_float(0, "the output gradient");
  expect_divisor(ctx);
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  expect_output_grad(ctx, pool_output(pool_shape(ctx.attrs, x, false), x));
  ctx.output(x, ctx.dtype(0));
}

void adaptive_avg_pool2d_infer(InferContext& ctx) {
  ctx.expect_float(0, "input");
  ctx.output(adaptive_pool_shape(ctx, ctx.shape(0)), ctx.dtype(0));
}

void adaptive_avg_pool2d_input_grad_infer(InferContext& ctx) {
  ctx.expect_float(0, "the output gradient");
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  expect_output_grad(ctx, adaptive_pool_shape(ctx, x));
  ctx.output(x, ctx.dtype(0));
}

}  // namespace

#define AVG_POOL_ATTRS                                                                             \
  {"kernel", AttrType::integers}, {"stride", AttrType::integers}, {"padding", AttrType::integers}, \
      {"ceil_mode", AttrType::boolean}, {"count_include_pad", AttrType::boolean}, {                \
    "divisor", AttrType::integer                                                                   \
  }

extern const OpDef avg_pool2d_op;
const OpDef avg_pool2d_op = {.name = "avg_pool2d",
                             .inputs = {1, 1},
                             .attrs = {AVG_POOL_ATTRS},
                             .infer = avg_pool2d_infer,
                             .cpu = avg_pool2d_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(avg_pool2d_cuda)};
extern const OpDef avg_pool2d_input_grad_op;
const OpDef avg_pool2d_input_grad_op = {.name = "avg_pool2d_input_grad",
                                        .inputs = {1, 1},
                                        .attrs = {AVG_POOL_ATTRS, {"shape", AttrType::integers}},
                                        .infer = avg_pool2d_input_grad_infer,
                                        .cpu = avg_pool2d_input_grad_cpu,
                                        .cuda = TILEGRAD_CUDA_KERNEL(avg_pool2d_input_grad_cuda)};
extern const OpDef adaptive_avg_pool2d_op;
const OpDef adaptive_avg_pool2d_op = {.name = "adaptive_avg_pool2d",
                                      .inputs = {1, 1},
                                      .attrs = {{"size", AttrType::integers}},
                                      .infer = adaptive_avg_pool2d_infer,
                                      .cpu = adaptive_avg_pool2d_cpu,
                                      .cuda = TILEGRAD_CUDA_KERNEL(adaptive_avg_pool2d_cuda)};
extern const OpDef adaptive_avg_pool2d_input_grad_op;
const OpDef adaptive_avg_pool2d_input_grad_op = {
    .name = "adaptive_avg_pool2d_input_grad",
    .inputs = {1, 1},
    .attrs = {{"size", AttrType::integers}, {"shape", AttrType::integers}},
    .infer = adaptive_avg_pool2d_input_grad_infer,
    .cpu = adaptive_avg_pool2d_input_grad_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(adaptive_avg_pool2d_input_grad_cuda)};

}  // namespace tilegrad
