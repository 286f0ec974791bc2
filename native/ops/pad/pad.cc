// OpDefs of pad and of its gradient where places of the input appear more than once.
#include "ops/pad/pad.h"

namespace tilegrad {

PadPlan pad_plan(const Attrs& attrs, const Shape& x) {
  constexpr int64_t kLargest = int64_t{1} << 52;
  const char* op = attrs.op->name;
  int count;
  const int64_t* pads = attrs.integers("pads", &count);
  if (count != 2 * x.rank)
    fail(ErrorCode::argument, op, ": pads must have two numbers for each of the ", x.rank,
         " dimensions of ", x, " but has ", count);
  PadPlan plan;
  plan.mode = static_cast<PadMode>(attrs.choice("mode"));
  plan.rank = x.rank;
  for (int d = 0; d < x.rank; ++d) {
    const int64_t begin = pads[2 * d], end = pads[2 * d + 1], size = x[d];
    if (begin > kLargest || begin < -kLargest || end > kLargest || end < -kLargest)
      fail(ErrorCode::argument, op, ": pads of ", begin, " and ", end, " are out of range");
    const int64_t out = size + begin + end;
    if (out < 0)
      fail(ErrorCode::shape, op, ": dimension ", d, " of ", x, " cannot lose ", -begin - end,
           " places");
    if (plan.mode == PadMode::reflect && (begin >= size || end >= size) && (begin > 0 || end > 0))
      fail(ErrorCode::argument, op, ": reflect needs pads smaller than dimension ", d, " of ", x,
           " but they are ", begin, " and ", end);
    if (plan.mode != PadMode::constant && size == 0 && out > 0)
      fail(ErrorCode::shape, op, ": dimension ", d, " of ", x,
           " is empty, nothing can be repeated");
    plan.axes[d] = {size, out, begin};
  }
  return plan;
}

namespace {

Shape output_of(const PadPlan& plan) {
  Shape out;
  for (int d = 0; d < plan.rank; ++d) out.push(plan.axes[d].out);
  return out;
}

void pad_infer(InferContext& ctx) {
  const double value = ctx.attrs.number("value");
  if (!holds(ctx.dtype(0), value))
    ctx.fail(ErrorCode::argument, "value ", value, " does not fit into ", ctx.dtype(0));
  ctx.output(output_of(pad_plan(ctx.attrs, ctx.shape(0))), ctx.dtype(0));
}

void pad_input_grad_infer(InferContext& ctx) {
  ctx.expect_float(0, "the output gradient");
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  Shape out = output_of(pad_plan(ctx.attrs, x));
  if (ctx.shape(0) != out)
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", out, " but has ",
             ctx.shape(0));
  ctx.output(x, ctx.dtype(0));
}

}  // namespace

#define PAD_MODES "constant|reflect|replicate|circular"

extern const OpDef pad_op;
const OpDef pad_op = {.name = "pad",
                      .inputs = {1, 1},
                      .attrs = {{"pads", AttrType::integers},
                                {"mode", AttrType::choice, PAD_MODES},
                                {"value", AttrType::number}},
                      .infer = pad_infer,
                      .cpu = pad_cpu,
                      .cuda = TILEGRAD_CUDA_KERNEL(pad_cuda)};
extern const OpDef pad_input_grad_op;
const OpDef pad_input_grad_op = {.name = "pad_input_grad",
                                 .inputs = {1, 1},
                                 .attrs = {{"pads", AttrType::integers},
                                           {"mode", AttrType::choice, PAD_MODES},
                                           {"shape", AttrType::integers}},
                                 .infer = pad_input_grad_infer,
                                 .cpu = pad_input_grad_cpu,
                                 .cuda = TILEGRAD_CUDA_KERNEL(pad_input_grad_cuda)};

}  // namespace tilegrad
