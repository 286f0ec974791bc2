// linear: activation(x (..., in) weight^T + bias + residual). The matrix product with the weight (out, in) read by its
// columns, as an op of its own: one call less than with a transposed view, a gradient of the weight that lies as the
// weight does, and an epilogue that saves reading and writing the result for each of its steps.
#include <utility>

#include "core/precision.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {
namespace {

void linear_infer(InferContext& ctx) {
  const Shape &x = ctx.shape(0), &weight = ctx.shape(1);
  ctx.expect_float(0, "input");
  ctx.expect_same_dtype(0, 1, "input", "weight");
  ctx.expect_rank(1, "weight", 2);
  if (x.rank < 2) {
    ctx.fail(ErrorCode::shape, "input must have at least 2 dimensions but has shape ", x);
  }
  if (x[x.rank - 1] != weight[1]) {
    ctx.fail(ErrorCode::shape, "weight expects ", weight[1], " features but input has ",
             x[x.rank - 1], " (input ", x, ", weight ", weight, ")");
  }
  if (ctx.has(2)) {
    const Shape& bias = ctx.shape(2);
    ctx.expect_same_dtype(0, 2, "input", "bias");
    if (bias.rank != 1 || bias[0] != weight[0]) {
      ctx.fail(ErrorCode::shape, "bias must have shape [", weight[0], "] but has ", bias,
               " (input ", x, ", weight ", weight, ")");
    }
  }
  Shape out = x;
  out[x.rank - 1] = weight[0];
  if (ctx.has(3)) {
    ctx.expect_same_dtype(0, 3, "input", "residual");
    if (ctx.shape(3) != out) {
      ctx.fail(ErrorCode::shape, "residual must have the output's shape ", out, " but has ",
               ctx.shape(3));
    }
  }
  ctx.output(out, ctx.dtype(0));
}

using Product = void (*)(KernelArgs&, Activation);

void with_transposed_weight(KernelArgs& args, Product product) {
  View inputs[4];
  for (int i = 0; i < args.input_count; ++i) inputs[i] = args.inputs[i];
  Layout& weight = inputs[1].layout;
  std::swap(weight.shape[0], weight.shape[1]);
  std::swap(weight.strides[0], weight.strides[1]);
  KernelArgs transposed{args.op,           inputs,     args.input_count, args.outputs,
                        args.output_count, args.attrs, args.stream,      args.packed};
  product(transposed, static_cast<Activation>(args.attrs.choice("activation")));
}

void linear_cpu(KernelArgs& args) { with_transposed_weight(args, product_cpu); }
#ifdef TILEGRAD_HAVE_CUDA
void linear_cuda(KernelArgs& args) { with_transposed_weight(args, product_cuda); }
#endif

}  // namespace

extern const OpDef linear_op;
const OpDef linear_op = {.name = "linear",
                         .inputs = {2, 4},
                         .attrs = {TG_PRECISION_ATTR, TG_ACTIVATION_ATTR},
                         .infer = linear_infer,
                         .cpu = linear_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(linear_cuda),
                         .strided = true,
                         .constant_input = 1};

}  // namespace tilegrad
