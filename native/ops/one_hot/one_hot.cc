// one_hot: a row of `classes` numbers for each index, 1 at its place and 0 elsewhere. Bytes moved: one write per element.
#include <algorithm>

#include "core/cpu/indexed.h"
#include "core/op.h"

namespace tilegrad {

void one_hot_cuda(KernelArgs& args);

namespace {

void one_hot_infer(InferContext& ctx) {
  if (!is_index(ctx.dtype(0)))
    ctx.fail(ErrorCode::dtype, "classes must be i64 or i32 but are ", ctx.dtype(0));
  const int64_t classes = ctx.attrs.integer("classes");
  if (classes < 1)
    ctx.fail(ErrorCode::argument, "the number of classes must be at least 1 but is ", classes);
  Shape out = ctx.shape(0);
  if (out.rank == kMaxRank)
    ctx.fail(ErrorCode::shape, "input of shape ", out, " leaves no dimension for the classes");
  out.push(classes);
  ctx.output(out, ctx.attrs.dtype("dtype"));
}

void one_hot_cpu(KernelArgs& args) {
  const View &index = args.inputs[0], &out = args.outputs[0];
  const int64_t classes = args.attrs.integer("classes");
  check_index(index, classes);
  TG_DISPATCH_ALL(
      out.dtype, T, {TG_DISPATCH_INDEX(index.dtype, I, {
        const I* from = index.as<I>();
        T* to = out.as<T>();
        parallel_for(index.numel(), grain_for(classes), [&](int64_t begin, int64_t end) {
          std::fill(to + begin * classes, to + end * classes, static_cast<T>(compute_t<T>(0)));
          for (int64_t i = begin; i < end; ++i)
            to[i * classes + from[i]] = static_cast<T>(compute_t<T>(1));
        });
      })});
}

}  // namespace

extern const OpDef one_hot_op;
const OpDef one_hot_op = {.name = "one_hot",
                          .inputs = {1, 1},
                          .attrs = {{"classes", AttrType::integer}, {"dtype", AttrType::dtype}},
                          .infer = one_hot_infer,
                          .cpu = one_hot_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(one_hot_cuda)};

}  // namespace tilegrad
