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

void int8_linear_dynamic_infer(InferContext& ctx) {
  const int64_t n = expect_dynamic(ctx, 2);
  const Shape &x = ctx.shape(kDynamicX), &weight = ctx.shape(kDynamicWeight);
  if (x.rank == 0 || x[x.rank - 1] != weight[1])
    ctx.fail(ErrorCode::shape, "weight expects ", weight[1], " features but x has shape ", x,
             " (weight ", weight, ")");
  Shape out = x;
  out[out.rank - 1] = n;
  ctx.output(out, DType::f32);
}

}  // namespace

extern const OpDef int8_matmul_op, int8_linear_dynamic_op;
const OpDef int8_matmul_op = {.name = "int8_matmul",
                              .inputs = {2, 6},
                              .attrs = {TG_INT8_ATTRS},
                              .infer = int8_matmul_infer,
                              .cpu = int8_matmul_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(int8_matmul_cuda),
                              .strided = true,
                              .constant_input = kInt8Second};
const OpDef int8_linear_dynamic_op = {.name = "int8_linear_dynamic",
                                      .inputs = {3, 4},
                                      .attrs = {{"relu", AttrType::boolean}},
                                      .infer = int8_linear_dynamic_infer,
                                      .cpu = int8_linear_dynamic_cpu,
                                      .cuda = TILEGRAD_CUDA_KERNEL(int8_linear_dynamic_cuda),
                                      .constant_input = kDynamicWeight};

}  // namespace tilegrad
