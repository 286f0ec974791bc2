#include "ops/int8_matmul/int8_matmul.h"

namespace tilegrad {
namespace {

void expect_bytes(const InferContext& ctx, int i, const char* what) {
  if (ctx.dtype(i) != DType::u8 && ctx.dtype(i) != DType::i8)
    ctx.fail(ErrorCode::dtype, what, " must be u8 or i8 but is ", ctx.dtype(i));
}

// One value, or one per row or column.
void expect_values(const InferContext& ctx, int i, const char* what, int64_t count) {
  if (!ctx.has(i)) return;
  const Shape& shape = ctx.shape(i);
  if (shape.numel() == 1 && shape.rank <= 1) return;
  if (shape.rank != 1 || shape[0] != count)
    ctx.fail(ErrorCode::shape, what, " must have shape [] or [", count, "] but has ", shape);
}

Shape batch_of(Shape shape) {
  shape.rank -= 2;
  return shape;
}

void int8_matmul_infer(InferContext& ctx) {
  expect_bytes(ctx, kA, "a");
  expect_bytes(ctx, kB, "b");
  const Shape &a = ctx.shape(kA), &b = ctx.shape(kB);
  if (a.rank < 2 || b.rank < 2)
    ctx.fail(ErrorCode::shape, "a and b must have at least 2 dimensions (a ", a, ", b ", b, ")");
  const int64_t m = a[a.rank - 2], k = a[a.rank - 1], n = b[b.rank - 1];
  if (k != b[b.rank - 2])
    ctx.fail(ErrorCode::shape, "a has ", k, " columns but b has ", b[b.rank - 2], " rows (a ", a,
             ", b ", b, ")");
  expect_values(ctx, kAZeroPoint, "a_zero_point", m);
  expect_values(ctx, kBZeroPoint, "b_zero_point", n);
  expect_values(ctx, kScale, "scale", n);
  if (ctx.has(kAZeroPoint)) ctx.expect_dtype(kAZeroPoint, "a_zero_point", DType::i32);
  if (ctx.has(kBZeroPoint)) ctx.expect_dtype(kBZeroPoint, "b_zero_point", DType::i32);
  if (ctx.has(kScale)) ctx.expect_dtype(kScale, "scale", DType::f32);
  const DType dtype = ctx.attrs.dtype("dtype");
  if (dtype != DType::i32 && dtype != DType::f32 && dtype != DType::u8 && dtype != DType::i8)
    ctx.fail(ErrorCode::dtype, "the output can be i32, f32, u8 or i8 but not ", dtype);
  if (dtype != DType::i32 && !ctx.has(kScale))
    ctx.fail(ErrorCode::argument, "an output of ", dtype, " needs a scale");
  if (dtype == DType::i32 && (ctx.has(kScale) || ctx.attrs.boolean("relu")))
    ctx.fail(ErrorCode::argument, "scale and relu need an output of f32, u8 or i8");
  if (ctx.has(kBias)) {
    if (ctx.shape(kBias) != Shape{n})
      ctx.fail(ErrorCode::shape, "bias must have shape [", n, "] but has ", ctx.shape(kBias));
    if (ctx.dtype(kBias) != DType::i32 && (ctx.dtype(kBias) != DType::f32 || dtype == DType::i32))
      ctx.fail(ErrorCode::dtype, "bias must be i32", dtype == DType::i32 ? "" : " or f32",
               " but is ", ctx.dtype(kBias));
  }
  const int64_t zero = ctx.attrs.integer("out_zero_point");
  const int64_t low = dtype == DType::i8 ? -128 : 0, high = dtype == DType::i8 ? 127 : 255;
  if (dtype == DType::u8 || dtype == DType::i8 ? zero < low || zero > high : zero != 0)
    ctx.fail(ErrorCode::argument, "out_zero_point ", zero, " does not fit into ", dtype);
  Shape out = broadcast_shapes(ctx.op.name, batch_of(a), batch_of(b));
  out.push(m);
  out.push(n);
  ctx.output(out, dtype);
}

}  // namespace

extern const OpDef int8_matmul_op;
const OpDef int8_matmul_op = {.name = "int8_matmul",
                              .inputs = {2, 6},
                              .attrs = {{"dtype", AttrType::dtype},
                                        {"out_zero_point", AttrType::integer},
                                        {"relu", AttrType::boolean}},
                              .infer = int8_matmul_infer,
                              .cpu = int8_matmul_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(int8_matmul_cuda),
                              .strided = true};

}  // namespace tilegrad
