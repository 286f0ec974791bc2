#include "ops/matmul/matmul.h"

#include "core/precision.h"

namespace tilegrad {
namespace {

Shape batch_of(const Shape& shape) {
  Shape batch = shape;
  batch.rank -= 2;
  return batch;
}

void matmul_infer(InferContext& ctx) {
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  ctx.expect_float(0, "a");
  ctx.expect_same_dtype(0, 1, "a", "b");
  if (a.rank < 2 || b.rank < 2) {
    ctx.fail(ErrorCode::shape, "a and b must have at least 2 dimensions (a ", a, ", b ", b, ")");
  }
  const int64_t n = b[b.rank - 1];
  if (a[a.rank - 1] != b[b.rank - 2]) {
    ctx.fail(ErrorCode::shape, "a has ", a[a.rank - 1], " columns but b has ", b[b.rank - 2],
             " rows (a ", a, ", b ", b, ")");
  }
  if (ctx.has(2)) {
    const Shape& bias = ctx.shape(2);
    ctx.expect_same_dtype(0, 2, "a", "bias");
    if (bias.rank != 1 || bias[0] != n) {
      ctx.fail(ErrorCode::shape, "bias must have shape [", n, "] but has ", bias, " (a ", a, ", b ",
               b, ")");
    }
  }
  Shape out = broadcast_shapes(ctx.op.name, batch_of(a), batch_of(b));
  out.push(a[a.rank - 2]);
  out.push(n);
  ctx.output(out, ctx.dtype(0));
}

}  // namespace

const OpDef matmul_op = {.name = "matmul",
                         .inputs = {2, 3},
                         .attrs = {TG_PRECISION_ATTR},
                         .infer = matmul_infer,
                         .cpu = matmul_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(matmul_cuda),
                         .strided = true};

}  // namespace tilegrad
