// batch_norm: x (N, C, ...) normalized channel by channel, with the statistics of the batch (training) or with running
// ones. Outputs: y, and the mean and 1 / sqrt(variance + eps) that were used, one for each channel, f32 at least.
// batch_norm_grad gives the gradients of x, weight and bias; batch_norm_update moves the running statistics in place.
#include "ops/batch_norm/batch_norm.h"

#include "core/normalization.h"

namespace tilegrad {

namespace {

void check_x(InferContext& ctx, int x) {
  ctx.expect_float(x, "x");
  if (ctx.shape(x).rank < 2)
    ctx.fail(ErrorCode::shape, "x must have at least 2 dimensions but has shape ", ctx.shape(x));
}

void check_channels(InferContext& ctx, int x, int i, const char* what, DType dtype) {
  ctx.expect_dtype(i, what, dtype);
  if (ctx.shape(i) != Shape{ctx.shape(x)[1]})
    ctx.fail(ErrorCode::shape, what, " must have shape [", ctx.shape(x)[1], "] but has ",
             ctx.shape(i), " (x ", ctx.shape(x), ")");
}

void batch_norm_infer(InferContext& ctx) {
  check_x(ctx, kBnX);
  const Shape& x = ctx.shape(kBnX);
  const char* names[] = {"x", "weight", "bias", "runningMean", "runningVar"};
  for (int i = kBnWeight; i <= kBnRunningVar; ++i)
    if (ctx.has(i)) check_channels(ctx, kBnX, i, names[i], ctx.dtype(kBnX));
  if (!ctx.attrs.boolean("training")) {
    if (!ctx.has(kBnRunningMean) || !ctx.has(kBnRunningVar))
      ctx.fail(ErrorCode::argument, "needs runningMean and runningVar where it is not training");
  } else if (x.numel() > 0 && x.numel() == x[1]) {
    ctx.fail(ErrorCode::shape, "expects more than 1 value per channel in training (x ", x, ")");
  }
  expect_eps(ctx);
  normalization_outputs(ctx, kBnX, Shape{x[1]});
}

void batch_norm_grad_infer(InferContext& ctx) {
  check_x(ctx, kBnGradX);
  const Shape& x = ctx.shape(kBnGradX);
  const DType dtype = ctx.dtype(kBnGradX);
  expect_gradient_of(ctx, kBnGradX, kBnDout);
  check_channels(ctx, kBnGradX, kBnMean, "mean", statistics_dtype(dtype));
  check_channels(ctx, kBnGradX, kBnRstd, "rstd", statistics_dtype(dtype));
  if (ctx.has(kBnGradWeight)) check_channels(ctx, kBnGradX, kBnGradWeight, "weight", dtype);
  ctx.output(x, dtype);
  ctx.output(Shape{x[1]}, dtype);
  ctx.output(Shape{x[1]}, dtype);
}

void batch_norm_update_infer(InferContext& ctx) {
  ctx.expect_float(0, "runningMean");
  ctx.expect_rank(0, "runningMean", 1);
  for (int i = 0; i < 4; ++i) {
    const char* names[] = {"runningMean", "runningVar", "mean", "rstd"};
    ctx.expect_dtype(i, names[i], i < 2 ? ctx.dtype(0) : statistics_dtype(ctx.dtype(0)));
    if (ctx.shape(i) != ctx.shape(0))
      ctx.fail(ErrorCode::shape, names[i], " must have shape ", ctx.shape(0), " but has ",
               ctx.shape(i));
  }
}

}  // namespace

extern const OpDef batch_norm_op;
const OpDef batch_norm_op = {.name = "batch_norm",
                             .inputs = {1, 5},
                             .attrs = {{"training", AttrType::boolean}, {"eps", AttrType::number}},
                             .infer = batch_norm_infer,
                             .cpu = batch_norm_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(batch_norm_cuda)};

extern const OpDef batch_norm_grad_op;
const OpDef batch_norm_grad_op = {.name = "batch_norm_grad",
                                  .inputs = {4, 5},
                                  .attrs = {{"training", AttrType::boolean}},
                                  .infer = batch_norm_grad_infer,
                                  .cpu = batch_norm_grad_cpu,
                                  .cuda = TILEGRAD_CUDA_KERNEL(batch_norm_grad_cuda)};

extern const OpDef batch_norm_update_op;
const OpDef batch_norm_update_op = {.name = "batch_norm_update",
                                    .inputs = {4, 4},
                                    .attrs = {{"momentum", AttrType::number},
                                              {"eps", AttrType::number},
                                              {"count", AttrType::integer}},
                                    .infer = batch_norm_update_infer,
                                    .cpu = batch_norm_update_cpu,
                                    .cuda = TILEGRAD_CUDA_KERNEL(batch_norm_update_cuda),
                                    .in_place = true};

}  // namespace tilegrad
