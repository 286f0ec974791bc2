// OpDefs of all elementwise functions, made from functors.h. Tensors broadcast. A binary function takes two tensors, or
// one and the attribute `scalar` for the `side` that it stands for; a ternary one takes `scalar_b` or `scalar_c` where
// that input is absent. Numbers take the dtype of the tensors.
#include "core/op.h"
#include "ops/elementwise/elementwise_cpu.h"
#include "ops/elementwise/elementwise_cuda.h"
#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad {

namespace {

struct Accepts {
  bool (*test)(DType);
  const char* what;
};
[[maybe_unused]] constexpr Accepts kFLOAT{is_float,
                                          "is defined for floating-point tensors, not for "};
[[maybe_unused]] constexpr Accepts kNUMBER{[](DType d) { return d != DType::boolean; },
                                           "is defined for numbers, not for "};
[[maybe_unused]] constexpr Accepts kBITS{[](DType d) { return !is_float(d); },
                                         "is defined for integers and bool, not for "};
[[maybe_unused]] constexpr Accepts kALL{[](DType) { return true; }, ""};
[[maybe_unused]] constexpr Accepts kSIZE = kALL;

// A number that stands for an operand must be one that the dtype holds; floats round it.
void check_scalar(const InferContext& ctx, double value, DType dtype) {
  if (!holds(dtype, value))
    ctx.fail(ErrorCode::argument, "the number ", value, " does not fit into ", dtype);
}

// A parameter of an integer function may also be infinite: no bound.
void check_params(const InferContext& ctx, DType dtype, int first, int count) {
  for (int i = first; i < first + count; ++i) {
    const double value = ctx.attrs.scalars[i];
    if (!is_float(dtype) && value - value == 0) check_scalar(ctx, value, dtype);
    if (!is_float(dtype) && value != value)
      ctx.fail(ErrorCode::argument, ctx.op.attrs[i].name, " is not a number");
  }
}

// The dtype of the operands: that of the first tensor; the others must agree.
DType operand_dtype(const InferContext& ctx, int first) {
  int known = -1;
  for (int i = first; i < ctx.input_count; ++i) {
    if (!ctx.has(i)) continue;
    if (known >= 0)
      ctx.expect_same_dtype(known, i, "the first tensor", "the second");
    else
      known = i;
  }
  if (known < 0) ctx.fail(ErrorCode::argument, "expects a tensor among its operands");
  return ctx.dtype(known);
}

void infer(InferContext& ctx, int inputs, int params, const Accepts& accepts, bool to_bool,
           bool select) {
  const DType dtype = operand_dtype(ctx, select ? 1 : 0);
  if (!accepts.test(dtype)) {
    const bool cast = accepts.test == is_float;
    ctx.fail(ErrorCode::dtype, accepts.what, dtype,
             cast ? "; cast it, for example with to('f32')" : "");
  }
  if (select) ctx.expect_dtype(0, "the condition", DType::boolean);
  if (inputs == 2) {
    const bool scalar = ctx.attrs.choice("side") != 0;
    if (ctx.input_count != (scalar ? 1 : 2) || !ctx.has(0) || (!scalar && !ctx.has(1)))
      ctx.fail(ErrorCode::argument, "expects two tensors, or one and a number");
    if (scalar) check_scalar(ctx, ctx.attrs.number("scalar"), dtype);
  } else if (inputs == 3) {
    if (ctx.input_count != 3) ctx.fail(ErrorCode::argument, "expects three operands");
    if (!ctx.has(1)) check_scalar(ctx, ctx.attrs.number("scalar_b"), dtype);
    if (!ctx.has(2)) check_scalar(ctx, ctx.attrs.number("scalar_c"), dtype);
  }
  check_params(ctx, dtype, inputs == 1 ? 0 : 2, params);
  const Shape* same = nullptr;  // of the operands so far
  Shape shape;
  for (int i = 0; i < ctx.input_count; ++i) {
    if (!ctx.has(i) || (same && ctx.shape(i) == *same)) continue;
    if (same) shape = broadcast_shapes(ctx.op.name, *same, ctx.shape(i));
    same = same ? &shape : &ctx.shape(i);
  }
  ctx.output(*same, to_bool ? DType::boolean : dtype);
}

}  // namespace

// The attributes: those of the number operands, then the parameters.
#define TG_CONCAT_(a, b) a##b
#define TG_CONCAT(a, b) TG_CONCAT_(a, b)
#define TG_NUMBERS_0()
#define TG_NUMBERS_1(p) {#p, AttrType::number},
#define TG_NUMBERS_2(p, q) TG_NUMBERS_1(p) TG_NUMBERS_1(q)
#define TG_NUMBERS_3(p, q, r) TG_NUMBERS_1(p) TG_NUMBERS_1(q) TG_NUMBERS_1(r)
#define TG_NUMBERS(...) TG_CONCAT(TG_NUMBERS_, TG_COUNT(__VA_ARGS__))(__VA_ARGS__)
#define TG_SCALARS_1
#define TG_SCALARS_2 {"scalar", AttrType::number}, {"side", AttrType::choice, "none|left|right"},
#define TG_SCALARS_3 {"scalar_b", AttrType::number}, {"scalar_c", AttrType::number},
#define TG_IS_BOOL_SAME false
#define TG_IS_BOOL_BOOL true
#define TG_IS_BOOL_SELECT false
#define TG_SELECTS_SAME false
#define TG_SELECTS_BOOL false
#define TG_SELECTS_SELECT true
#define TG_MIN_INPUTS_1 1
#define TG_MIN_INPUTS_2 1
#define TG_MIN_INPUTS_3 1

#define TG_FUNCTION(inputs_, result, name_, dtypes, params, expression)                        \
  static void name_##_infer(InferContext& ctx) {                                               \
    infer(ctx, inputs_, TG_COUNT params, k##dtypes, TG_IS_BOOL_##result, TG_SELECTS_##result); \
  }                                                                                            \
  static void name_##_cpu(KernelArgs& args) {                                                  \
    elementwise_cpu(args, inputs_, TILEGRAD_SIMD(name_##_row));                                \
  }                                                                                            \
  extern const OpDef name_##_op;                                                               \
  const OpDef name_##_op = {.name = #name_,                                                    \
                            .inputs = {TG_MIN_INPUTS_##inputs_, inputs_},                      \
                            .attrs = {TG_SCALARS_##inputs_ TG_NUMBERS params},                 \
                            .infer = name_##_infer,                                            \
                            .cpu = name_##_cpu,                                                \
                            .cuda = TILEGRAD_CUDA_KERNEL(name_##_cuda),                        \
                            .strided = true};
#include "ops/elementwise/functors.h"

}  // namespace tilegrad
