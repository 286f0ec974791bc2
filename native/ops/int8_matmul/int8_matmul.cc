#include "ops/int8_matmul/int8_matmul.h"

namespace tilegrad {
namespace {

Shape batch_of(Shape shape) {
  shape.rank -= 2;
  return shape;
}

void int8_matmul_infer(InferContext& ctx) {
  expect_bytes(ctx, kInt8First, "a");
  expect_bytes(ctx, kInt8Second, "b");
  const Shape &a = ctx.shape(kInt8First), &b = ctx.shape(kInt8Second);
  if (a.rank < 2 || b.rank < 2)
    ctx.fail(ErrorCode::shape, "a and b must have at least 2 dimensions (a ", a, ", b ", b, ")");
  const int64_t m = a[a.rank - 2], k = a[a.rank - 1], n = b[b.rank - 1];
  if (k != b[b.rank - 2])
    ctx.fail(ErrorCode::shape, "a has ", k, " columns but b has ", b[b.rank - 2], " rows (a ", a,
             ", b ", b, ")");
  expect_values(ctx, kInt8FirstZero, "a_zero_point", DType::i32, m);
  expect_values(ctx, kInt8SecondZero, "b_zero_point", DType::i32, n);
  const DType dtype = int8_output_dtype(ctx, n);
  Shape out = broadcast_shapes(ctx.op.name, batch_of(a), batch_of(b));
  out.push(m);
  out.push(n);
  ctx.output(out, dtype);
}

}  // namespace

extern const OpDef int8_matmul_op;
const OpDef int8_matmul_op = {.name = "int8_matmul",
                              .inputs = {2, 6},
                              .attrs = {TG_INT8_ATTRS},
                              .infer = int8_matmul_infer,
                              .cpu = int8_matmul_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(int8_matmul_cuda),
                              .strided = true};

}  // namespace tilegrad
