// cross_entropy: loss of logits (N, C, d...) against class indices (N, d...) or probabilities of the
// logits' shape. Outputs: the loss, and what the gradient needs: the largest logit and the log-sum of
// each position, then the divisor of the mean. With `normalize` off the logits are taken as
// log-probabilities (nll_loss).
#include "ops/cross_entropy/cross_entropy.h"

namespace tilegrad {

namespace {

Shape without_classes(const Shape& input) {
  Shape out;
  const int dim = input.rank > 1 ? 1 : 0;
  for (int d = 0; d < input.rank; ++d)
    if (d != dim) out.push(input[d]);
  return out;
}

void check_target(InferContext& ctx, int input, int target) {
  const Shape &logits = ctx.shape(input), &given = ctx.shape(target);
  const DType dtype = ctx.dtype(target);
  if (is_float(dtype)) {
    if (!ctx.attrs.boolean("normalize"))
      ctx.fail(ErrorCode::dtype, "target must hold class indices (i64, i32 or u8) but is ", dtype);
    ctx.expect_same_dtype(input, target, "the input", "the target of class probabilities");
    if (given != logits)
      ctx.fail(ErrorCode::shape, "target of class probabilities must have shape ", logits,
               " but has ", given);
    if (ctx.attrs.integer("ignore_index") >= 0)
      ctx.fail(ErrorCode::argument, "ignoreIndex is ", ctx.attrs.integer("ignore_index"),
               " but target holds class probabilities");
    return;
  }
  if (dtype != DType::i64 && dtype != DType::i32 && dtype != DType::u8)
    ctx.fail(ErrorCode::dtype,
             "target must hold class indices (i64, i32 or u8) or class probabilities but is ",
             dtype);
  const Shape expected = without_classes(logits);
  if (given != expected)
    ctx.fail(ErrorCode::shape, "target of class indices must have shape ", expected, " but has ",
             given, " (input ", logits, ")");
}

// Checks the attributes, the input, the target and the weight, which is input `weight`.
void check(InferContext& ctx, int weight) {
  const int input = kCeInput, target = kCeTarget;
  ctx.expect_float(input, "the input");
  const Shape& logits = ctx.shape(input);
  if (logits.rank == 0) ctx.fail(ErrorCode::shape, "the input needs a dimension of classes");
  const CrossEntropyShape shape(logits);
  if (shape.classes == 0 && shape.positions() > 0)
    ctx.fail(ErrorCode::shape, "the input ", logits, " has no classes");
  check_target(ctx, input, target);
  if (ctx.has(weight)) {
    ctx.expect_same_dtype(input, weight, "the input", "the weight");
    if (ctx.shape(weight) != Shape{shape.classes})
      ctx.fail(ErrorCode::shape, "weight must have shape [", shape.classes, "] but has ",
               ctx.shape(weight), " (input ", logits, ")");
  }
  const double smoothing = ctx.attrs.number("label_smoothing");
  if (!(smoothing >= 0 && smoothing <= 1))
    ctx.fail(ErrorCode::argument, "labelSmoothing must be between 0 and 1 but is ", smoothing);
}

DType saved_dtype(DType input) { return input == DType::f64 ? DType::f64 : DType::f32; }

Shape loss_shape(const InferContext& ctx, int input) {
  return ctx.attrs.choice("reduction") == kCeNone ? without_classes(ctx.shape(input)) : Shape{};
}

Shape saved_shape(const Shape& logits) {
  return Shape{2 * CrossEntropyShape(logits).positions() + 1};
}

void cross_entropy_infer(InferContext& ctx) {
  check(ctx, kCeWeight);
  ctx.output(loss_shape(ctx, kCeInput), ctx.dtype(kCeInput));
  ctx.output(saved_shape(ctx.shape(kCeInput)), saved_dtype(ctx.dtype(kCeInput)));
}

void cross_entropy_input_grad_infer(InferContext& ctx) {
  check(ctx, kCeGradWeight);
  ctx.expect_same_dtype(kCeDout, kCeInput, "the gradient", "the input");
  const Shape expected = loss_shape(ctx, kCeInput);
  if (ctx.shape(kCeDout) != expected)
    ctx.fail(ErrorCode::shape, "the gradient of the loss must have shape ", expected, " but has ",
             ctx.shape(kCeDout));
  const Shape& logits = ctx.shape(kCeInput);
  ctx.expect_dtype(kCeSaved, "saved", saved_dtype(ctx.dtype(kCeInput)));
  if (ctx.shape(kCeSaved) != saved_shape(logits))
    ctx.fail(ErrorCode::shape, "saved must have shape ", saved_shape(logits), " but has ",
             ctx.shape(kCeSaved));
  ctx.output(logits, ctx.dtype(kCeInput));
}

}  // namespace

#define CROSS_ENTROPY_ATTRS                                                                \
  {"reduction", AttrType::choice, "none|mean|sum"}, {"label_smoothing", AttrType::number}, \
      {"ignore_index", AttrType::integer}, {                                               \
    "normalize", AttrType::boolean                                                         \
  }

extern const OpDef cross_entropy_op;
const OpDef cross_entropy_op = {.name = "cross_entropy",
                                .inputs = {2, 3},
                                .attrs = {CROSS_ENTROPY_ATTRS},
                                .infer = cross_entropy_infer,
                                .cpu = cross_entropy_cpu,
                                .cuda = TILEGRAD_CUDA_KERNEL(cross_entropy_cuda)};
extern const OpDef cross_entropy_input_grad_op;
const OpDef cross_entropy_input_grad_op = {
    .name = "cross_entropy_input_grad",
    .inputs = {4, 5},
    .attrs = {CROSS_ENTROPY_ATTRS, {"part", AttrType::choice, "all|softmax"}},
    .infer = cross_entropy_input_grad_infer,
    .cpu = cross_entropy_input_grad_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(cross_entropy_input_grad_cuda)};

}  // namespace tilegrad
