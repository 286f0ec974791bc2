// assign: copies input 1 into input 0 in place. The only way besides the optimisers to change a tensor.
#include <vector>

#include "core/cpu/copy.h"
#include "core/op.h"

namespace tilegrad {

void assign_cuda(KernelArgs& args);

namespace {

void assign_infer(InferContext& ctx) {
  ctx.expect_same_dtype(0, 1, "target", "source");
  if (ctx.shape(0) != ctx.shape(1))
    ctx.fail(ErrorCode::shape, "target has shape ", ctx.shape(0), " but source has ", ctx.shape(1));
  const Layout& target = ctx.input(0).layout;
  for (int i = 0; i < target.rank(); ++i)
    if (target.shape[i] > 1 && target.strides[i] == 0)
      ctx.fail(ErrorCode::argument,
               "the target is an expanded view: several of its elements share one place");
}

void assign_cpu(KernelArgs& args) {
  if (args.inputs[0].numel() == 0) return;
  View source = args.inputs[1];
  std::vector<char> apart;
  if (source.data == args.inputs[0].data) {
    // Views of one buffer may overlap (x[1:] = x[:-1]): read everything before the first write.
    apart.resize(static_cast<size_t>(source.numel()) * dtype_size(source.dtype));
    View copy{apart.data(), Layout::contiguous(source.layout.shape), source.dtype};
    copy_strided_cpu(source, copy);
    source = copy;
  }
  copy_strided_cpu(source, args.inputs[0]);
}

}  // namespace

extern const OpDef assign_op;
const OpDef assign_op = {.name = "assign",
                         .inputs = {2, 2},
                         .infer = assign_infer,
                         .cpu = assign_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(assign_cuda),
                         .in_place = true};

}  // namespace tilegrad
