// OpDefs of max_pool2d, its gradient and that gradient's own: values of a tensor at the taps that won.
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

void max_pool2d_infer(InferContext& ctx) {
  ctx.expect_float(0, "input");
  PoolShape s = pool_shape(ctx.attrs, ctx.shape(0), true);
  Shape out = pool_output(s, ctx.shape(0));
  int outputs = ctx.attrs.choice("outputs");
  ctx.output(out, ctx.dtype(0));
  if (outputs >= 1) ctx.output(out, taps_dtype(s.taps()));
  if (outputs >= 2) ctx.output(out, DType::i64);
}

// Inputs: the values that travel (dout or x) and the taps.
void expect_taps(InferContext& ctx, const PoolShape& s, const Shape& out) {
  ctx.expect_float(0, "the first input");
  ctx.expect_dtype(1, "taps", taps_dtype(s.taps()));
  if (ctx.shape(1) != out)
    ctx.fail(ErrorCode::shape, "taps must have shape ", out, " but has ", ctx.shape(1));
}

void max_pool2d_input_grad_infer(InferContext& ctx) {
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  PoolShape s = pool_shape(ctx.attrs, x, true);
  Shape out = pool_output(s, x);
  expect_taps(ctx, s, out);
  if (ctx.shape(0) != out)
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", out, " but has ",
             ctx.shape(0));
  ctx.output(x, ctx.dtype(0));
}

void max_pool2d_pick_infer(InferContext& ctx) {
  PoolShape s = pool_shape(ctx.attrs, ctx.shape(0), true);
  Shape out = pool_output(s, ctx.shape(0));
  expect_taps(ctx, s, out);
  ctx.output(out, ctx.dtype(0));
}

}  // namespace

#define POOL_ATTRS                                                                                 \
  {"kernel", AttrType::integers}, {"stride", AttrType::integers}, {"padding", AttrType::integers}, \
      {"ceil_mode", AttrType::boolean}, {                                                          \
    "dilation", AttrType::integers                                                                 \
  }

extern const OpDef max_pool2d_op;
const OpDef max_pool2d_op = {
    .name = "max_pool2d",
    .inputs = {1, 1},
    .attrs = {POOL_ATTRS, {"outputs", AttrType::choice, "values|taps|indices"}},
    .infer = max_pool2d_infer,
    .cpu = max_pool2d_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(max_pool2d_cuda)};
extern const OpDef max_pool2d_input_grad_op;
const OpDef max_pool2d_input_grad_op = {.name = "max_pool2d_input_grad",
                                        .inputs = {2, 2},
                                        .attrs = {POOL_ATTRS, {"shape", AttrType::integers}},
                                        .infer = max_pool2d_input_grad_infer,
                                        .cpu = max_pool2d_input_grad_cpu,
                                        .cuda = TILEGRAD_CUDA_KERNEL(max_pool2d_input_grad_cuda)};
extern const OpDef max_pool2d_pick_op;
const OpDef max_pool2d_pick_op = {.name = "max_pool2d_pick",
                                  .inputs = {2, 2},
                                  .attrs = {POOL_ATTRS},
                                  .infer = max_pool2d_pick_infer,
                                  .cpu = max_pool2d_pick_cpu,
                                  .cuda = TILEGRAD_CUDA_KERNEL(max_pool2d_pick_cuda)};

}  // namespace tilegrad
