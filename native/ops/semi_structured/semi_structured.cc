#include "ops/semi_structured/semi_structured.h"

namespace tilegrad {
namespace {

// indices (n, k / 8) beside a matrix of `columns` columns, `per` of which one byte of indices describes.
void expect_indices(const InferContext& ctx, int i, const Shape& matrix, int64_t per,
                    const char* what) {
  ctx.expect_dtype(i, "indices", DType::u8);
  const Shape& indices = ctx.shape(i);
  if (indices.rank != 2 || indices[0] != matrix[0] || indices[1] * per != matrix[1])
    ctx.fail(ErrorCode::shape, "indices must have shape [", matrix[0], ", ", matrix[1] / per,
             "] for ", what, " ", matrix, " but has ", indices);
}

void expect_weight(const InferContext& ctx) {
  ctx.expect_float(0, "weight");
  ctx.expect_rank(0, "weight", 2);
  if (ctx.shape(0)[1] % 8 != 0)
    ctx.fail(ErrorCode::shape, "the columns of weight must be a multiple of 8 (weight ",
             ctx.shape(0), ")");
}

void expect_values(const InferContext& ctx, int i) {
  ctx.expect_float(i, "values");
  ctx.expect_rank(i, "values", 2);
  if (ctx.shape(i)[1] % 4 != 0)
    ctx.fail(ErrorCode::shape, "the columns of values must be a multiple of 4 (values ",
             ctx.shape(i), ")");
  expect_indices(ctx, i + 1, ctx.shape(i), 4, "values");
}

void compress_infer(InferContext& ctx) {
  expect_weight(ctx);
  const Shape& weight = ctx.shape(0);
  ctx.output({weight[0], weight[1] / 2}, ctx.dtype(0));
  ctx.output({weight[0], weight[1] / 8}, DType::u8);
}

void pick_infer(InferContext& ctx) {
  expect_weight(ctx);
  expect_indices(ctx, 1, ctx.shape(0), 8, "weight");
  ctx.output({ctx.shape(0)[0], ctx.shape(0)[1] / 2}, ctx.dtype(0));
}

void dense_infer(InferContext& ctx) {
  expect_values(ctx, 0);
  ctx.output({ctx.shape(0)[0], ctx.shape(0)[1] * 2}, ctx.dtype(0));
}

void linear_infer(InferContext& ctx) {
  ctx.expect_float(0, "input");
  ctx.expect_same_dtype(0, 1, "input", "values");
  expect_values(ctx, 1);
  const Shape &x = ctx.shape(0), &values = ctx.shape(1);
  if (x.rank < 2) ctx.fail(ErrorCode::shape, "input must have at least 2 dimensions but has ", x);
  if (x[x.rank - 1] != values[1] * 2)
    ctx.fail(ErrorCode::shape, "values are of ", values[1] * 2, " features but input has ",
             x[x.rank - 1], " (input ", x, ", values ", values, ")");
  if (ctx.has(3)) {
    ctx.expect_same_dtype(0, 3, "input", "bias");
    if (ctx.shape(3) != Shape{values[0]})
      ctx.fail(ErrorCode::shape, "bias must have shape [", values[0], "] but has ", ctx.shape(3));
  }
  Shape out = x;
  out[x.rank - 1] = values[0];
  ctx.output(out, ctx.dtype(0));
}

}  // namespace

extern const OpDef semi_structured_compress_op, semi_structured_pick_op, semi_structured_dense_op,
    semi_structured_linear_op;
const OpDef semi_structured_compress_op = {
    .name = "semi_structured_compress",
    .inputs = {1, 1},
    .infer = compress_infer,
    .cpu = semi_structured_compress_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(semi_structured_compress_cuda)};
const OpDef semi_structured_pick_op = {.name = "semi_structured_pick",
                                       .inputs = {2, 2},
                                       .infer = pick_infer,
                                       .cpu = semi_structured_pick_cpu,
                                       .cuda = TILEGRAD_CUDA_KERNEL(semi_structured_pick_cuda)};
const OpDef semi_structured_dense_op = {.name = "semi_structured_dense",
                                        .inputs = {2, 2},
                                        .infer = dense_infer,
                                        .cpu = semi_structured_dense_cpu,
                                        .cuda = TILEGRAD_CUDA_KERNEL(semi_structured_dense_cuda)};
const OpDef semi_structured_linear_op = {.name = "semi_structured_linear",
                                         .inputs = {3, 4},
                                         .infer = linear_infer,
                                         .cpu = semi_structured_linear_cpu,
                                         .cuda = TILEGRAD_CUDA_KERNEL(semi_structured_linear_cuda)};

}  // namespace tilegrad
