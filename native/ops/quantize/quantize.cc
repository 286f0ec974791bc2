#include "ops/quantize/quantize.h"

namespace tilegrad {
namespace {

constexpr int64_t kWidestLevel = 1 << 21;  // quantize_rows_simd.cc rounds within 2^22

// `first` is the index of scale, zero_point follows; `x` the tensor whose axis they run along.
void expect_parameters(const InferContext& ctx, int x, int first) {
  const Shape& shape = ctx.shape(x);
  const int64_t axis = ctx.attrs.integer("axis");
  ctx.expect_dtype(first, "scale", DType::f32);
  ctx.expect_dtype(first + 1, "zero_point", DType::i32);
  for (int i = first; i < first + 2; ++i) {
    const Shape& own = ctx.shape(i);
    if (own.rank == 0) continue;
    const char* what = i == first ? "scale" : "zero_point";
    const int dim = ctx.dim(axis, shape.rank);
    if (own != Shape{shape[dim]})
      ctx.fail(ErrorCode::shape, what, " must have shape [] or [", shape[dim], "] but has ", own,
               " (input ", shape, ", axis ", axis, ")");
  }
}

void expect_range(const InferContext& ctx, int64_t least, int64_t most) {
  const int64_t low = ctx.attrs.integer("quant_min"), high = ctx.attrs.integer("quant_max");
  if (low < least || high > most || low > high)
    ctx.fail(ErrorCode::argument, "the range must lie within ", least, " and ", most, " but is ",
             low, " to ", high);
}

void expect_single_float(const InferContext& ctx, int i, const char* what) {
  ctx.expect_float(i, what);
  if (ctx.dtype(i) == DType::f64)
    ctx.fail(ErrorCode::dtype, what, " must be f32, f16 or bf16 but is f64");
}

void quantize_linear_infer(InferContext& ctx) {
  expect_single_float(ctx, 0, "the input");
  expect_parameters(ctx, 0, 1);
  const DType to = ctx.attrs.dtype("dtype");
  if (to != DType::u8 && to != DType::i8)
    ctx.fail(ErrorCode::dtype, "the output can be u8 or i8 but not ", to);
  expect_range(ctx, to == DType::i8 ? -128 : 0, to == DType::i8 ? 127 : 255);
  ctx.output(ctx.shape(0), to);
}

void dequantize_linear_infer(InferContext& ctx) {
  if (!is_integer(ctx.dtype(0)) || ctx.dtype(0) == DType::i64)
    ctx.fail(ErrorCode::dtype, "the input must be u8, i8 or i32 but is ", ctx.dtype(0));
  expect_parameters(ctx, 0, 1);
  ctx.output(ctx.shape(0), DType::f32);
}

void fake_quantize_infer(InferContext& ctx) {
  expect_single_float(ctx, 0, "the input");
  expect_parameters(ctx, 0, 1);
  expect_range(ctx, -kWidestLevel, kWidestLevel);
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

void fake_quantize_input_grad_infer(InferContext& ctx) {
  expect_single_float(ctx, 0, "the output gradient");
  ctx.expect_same_dtype(0, 1, "the output gradient", "the input");
  if (ctx.shape(0) != ctx.shape(1))
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", ctx.shape(1), " but has ",
             ctx.shape(0));
  expect_parameters(ctx, 1, 2);
  expect_range(ctx, -kWidestLevel, kWidestLevel);
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

void dynamic_quantize_linear_infer(InferContext& ctx) {
  expect_single_float(ctx, 0, "the input");
  ctx.output(ctx.shape(0), DType::u8);
  ctx.output({}, DType::f32);
  ctx.output({}, DType::i32);
}

}  // namespace

extern const OpDef quantize_linear_op, dequantize_linear_op, fake_quantize_op,
    fake_quantize_input_grad_op, dynamic_quantize_linear_op;
const OpDef quantize_linear_op = {.name = "quantize_linear",
                                  .inputs = {3, 3},
                                  .attrs = {{"axis", AttrType::integer},
                                            {"dtype", AttrType::dtype},
                                            {"quant_min", AttrType::integer},
                                            {"quant_max", AttrType::integer}},
                                  .infer = quantize_linear_infer,
                                  .cpu = quantize_linear_cpu,
                                  .cuda = TILEGRAD_CUDA_KERNEL(quantize_linear_cuda)};
const OpDef dequantize_linear_op = {.name = "dequantize_linear",
                                    .inputs = {3, 3},
                                    .attrs = {{"axis", AttrType::integer}},
                                    .infer = dequantize_linear_infer,
                                    .cpu = dequantize_linear_cpu,
                                    .cuda = TILEGRAD_CUDA_KERNEL(dequantize_linear_cuda)};
const OpDef fake_quantize_op = {.name = "fake_quantize",
                                .inputs = {3, 3},
                                .attrs = {{"axis", AttrType::integer},
                                          {"quant_min", AttrType::integer},
                                          {"quant_max", AttrType::integer}},
                                .infer = fake_quantize_infer,
                                .cpu = fake_quantize_cpu,
                                .cuda = TILEGRAD_CUDA_KERNEL(fake_quantize_cuda)};
const OpDef fake_quantize_input_grad_op = {
    .name = "fake_quantize_input_grad",
    .inputs = {4, 4},
    .attrs = {{"axis", AttrType::integer},
              {"quant_min", AttrType::integer},
              {"quant_max", AttrType::integer}},
    .infer = fake_quantize_input_grad_infer,
    .cpu = fake_quantize_input_grad_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(fake_quantize_input_grad_cuda)};
const OpDef dynamic_quantize_linear_op = {
    .name = "dynamic_quantize_linear",
    .inputs = {1, 1},
    .infer = dynamic_quantize_linear_infer,
    .cpu = dynamic_quantize_linear_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(dynamic_quantize_linear_cuda)};

}  // namespace tilegrad
