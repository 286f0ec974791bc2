#include "ops/sparse/sparse.h"

namespace tilegrad {
namespace {

constexpr int64_t kMostIndex = int64_t{1} << 31;

void expect_summed(const InferContext& ctx, int i, const char* what) {
  if (ctx.dtype(i) != DType::f32 && ctx.dtype(i) != DType::f64)
    ctx.fail(ErrorCode::dtype, what, " must be f32 or f64 but is ", ctx.dtype(i));
}

void to_csr_infer(InferContext& ctx) {
  expect_summed(ctx, 0, "the input");
  ctx.expect_rank(0, "the input", 2);
  const Shape& shape = ctx.shape(0);
  const int64_t count = ctx.attrs.integer("count"), all = shape.numel();
  if (count < 0 || count > all || count >= kMostIndex || shape[1] >= kMostIndex)
    ctx.fail(ErrorCode::argument, "count must be from 0 to ", all, " and below 2^31 but is ",
             count);
  const int64_t held = count > 0 ? count : 1;
  ctx.output({shape[0] + 1}, DType::i32);
  ctx.output({held}, DType::i32);
  ctx.output({held}, ctx.dtype(0));
}

void csr_linear_infer(InferContext& ctx) {
  expect_summed(ctx, kCsrX, "x");
  if (ctx.shape(kCsrX).rank == 0)
    ctx.fail(ErrorCode::shape, "x must have at least 1 dimension but has none");
  ctx.expect_dtype(kCsrRowStart, "row_start", DType::i32);
  ctx.expect_dtype(kCsrColumn, "column", DType::i32);
  ctx.expect_same_dtype(kCsrValue, kCsrX, "value", "x");
  ctx.expect_rank(kCsrRowStart, "row_start", 1);
  ctx.expect_rank(kCsrColumn, "column", 1);
  if (ctx.shape(kCsrValue) != ctx.shape(kCsrColumn))
    ctx.fail(ErrorCode::shape, "value has shape ", ctx.shape(kCsrValue), " but column has ",
             ctx.shape(kCsrColumn));
  const int64_t rows = ctx.shape(kCsrRowStart)[0] - 1;
  if (rows < 0) ctx.fail(ErrorCode::shape, "row_start must have at least one element");
  if (ctx.has(kCsrBias)) {
    ctx.expect_same_dtype(kCsrBias, kCsrX, "bias", "x");
    if (ctx.shape(kCsrBias) != Shape{rows})
      ctx.fail(ErrorCode::shape, "bias must have shape [", rows, "] but has ", ctx.shape(kCsrBias));
  }
  Shape out = ctx.shape(kCsrX);
  out[out.rank - 1] = rows;
  ctx.output(out, ctx.dtype(kCsrX));
}

}  // namespace

extern const OpDef to_csr_op, csr_linear_op;
const OpDef to_csr_op = {.name = "to_csr",
                         .inputs = {1, 1},
                         .attrs = {{"count", AttrType::integer}},
                         .infer = to_csr_infer,
                         .cpu = to_csr_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(to_csr_cuda)};
const OpDef csr_linear_op = {.name = "csr_linear",
                             .inputs = {4, 5},
                             .infer = csr_linear_infer,
                             .cpu = csr_linear_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(csr_linear_cuda)};

}  // namespace tilegrad
