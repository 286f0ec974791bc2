#include "ops/prune/prune.h"

namespace tilegrad {
namespace {

constexpr int64_t kLargestGroup = 64;

void magnitude_mask_infer(InferContext& ctx) {
  ctx.expect_float(0, "the input");
  const int64_t count = ctx.attrs.integer("count"), n = ctx.shape(0).numel();
  if (count < 0 || count > n)
    ctx.fail(ErrorCode::argument, "count must be from 0 to ", n, " but is ", count);
  if (ctx.has(1)) {
    ctx.expect_dtype(1, "the mask", DType::boolean);
    if (ctx.shape(1) != ctx.shape(0))
      ctx.fail(ErrorCode::shape, "the mask must have shape ", ctx.shape(0), " but has ",
               ctx.shape(1));
  }
  ctx.output(ctx.shape(0), DType::boolean);
}

void nm_mask_infer(InferContext& ctx) {
  ctx.expect_float(0, "the input");
  const Shape& shape = ctx.shape(0);
  const int64_t n = ctx.attrs.integer("n"), m = ctx.attrs.integer("m");
  if (m < 1 || m > kLargestGroup || n < 0 || n > m)
    ctx.fail(ErrorCode::argument, "n must be from 0 to m, and m from 1 to ", kLargestGroup, " (n ",
             n, ", m ", m, ")");
  const int dim = ctx.dim(ctx.attrs.integer("dim"), shape.rank);
  if (shape[dim] % m != 0)
    ctx.fail(ErrorCode::shape, "dimension ", dim, " of ", shape, " is no multiple of ", m);
  ctx.output(shape, DType::boolean);
}

}  // namespace

extern const OpDef magnitude_mask_op, nm_mask_op;
const OpDef magnitude_mask_op = {.name = "magnitude_mask",
                                 .inputs = {1, 2},
                                 .attrs = {{"count", AttrType::integer}},
                                 .infer = magnitude_mask_infer,
                                 .cpu = magnitude_mask_cpu,
                                 .cuda = TILEGRAD_CUDA_KERNEL(magnitude_mask_cuda)};
const OpDef nm_mask_op = {
    .name = "nm_mask",
    .inputs = {1, 1},
    .attrs = {{"n", AttrType::integer}, {"m", AttrType::integer}, {"dim", AttrType::integer}},
    .infer = nm_mask_infer,
    .cpu = nm_mask_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(nm_mask_cuda)};

}  // namespace tilegrad
