// concat: tensors one after the other along a dimension. Each input is copied into its slice of the output; any layout.
// Bytes moved: one read and one write per element.
#include "core/cpu/copy.h"
#include "core/op.h"

namespace tilegrad {

void concat_cuda(KernelArgs& args);

namespace {

void concat_infer(InferContext& ctx) {
  for (int i = 0; i < ctx.input_count; ++i)
    if (!ctx.has(i)) ctx.fail(ErrorCode::argument, "input ", i, " is absent");
  Shape out = ctx.shape(0);
  if (out.rank == 0)
    ctx.fail(ErrorCode::shape, "scalars have no dimension to join along; use stack");
  int dim = ctx.dim(ctx.attrs.integer("dim"), out.rank);
  for (int i = 1; i < ctx.input_count; ++i) {
    ctx.expect_same_dtype(0, i, "input 0", "another");
    Shape expected = ctx.shape(i);
    if (expected.rank == out.rank) expected[dim] = out[dim];
    if (expected != out)
      ctx.fail(ErrorCode::shape, "input ", i, " of shape ", ctx.shape(i),
               " does not fit input 0 of shape ", ctx.shape(0), " along dimension ", dim);
    out[dim] += ctx.shape(i)[dim];
    check_shape("concat", out);
  }
  ctx.output(out, ctx.dtype(0));
}

void concat_cpu(KernelArgs& args) {
  View target = args.outputs[0];
  int64_t dim = args.attrs.integer("dim");
  if (dim < 0) dim += target.layout.rank();
  for (int i = 0; i < args.input_count; ++i) {
    const View& source = args.inputs[i];
    target.layout.shape[static_cast<int>(dim)] = source.shape()[static_cast<int>(dim)];
    copy_strided_cpu(source, target);
    target.layout.offset += source.shape()[static_cast<int>(dim)] * target.layout.strides[dim];
  }
}

}  // namespace

extern const OpDef concat_op;
const OpDef concat_op = {.name = "concat",
                         .inputs = {1, -1},
                         .attrs = {{"dim", AttrType::integer}},
                         .infer = concat_infer,
                         .cpu = concat_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(concat_cuda),
                         .strided = true};

}  // namespace tilegrad
