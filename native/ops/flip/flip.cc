// flip: the order of the elements along some dimensions turned round. Neighbouring dimensions that are turned round
// together, or not at all, count as one; then rows of the last one are copied forwards or backwards.
// Bytes moved: one read and one write per element.
#include "ops/flip/flip.h"

#include <algorithm>

#include "core/dim_mask.h"
#include "core/parallel.h"

namespace tilegrad {

FlipPlan flip_plan(const Attrs& attrs, const Shape& shape) {
  const unsigned mask = dim_mask(attrs, shape.rank);
  FlipPlan plan;
  for (int d = 0; d < shape.rank; ++d) {
    const bool turned = mask >> d & 1;
    if (shape[d] == 1) continue;
    if (plan.rank > 0 && plan.turned[plan.rank - 1] == turned) {
      plan.size[plan.rank - 1] *= shape[d];
    } else {
      plan.size[plan.rank] = shape[d];
      plan.turned[plan.rank++] = turned;
    }
  }
  if (plan.rank == 0) plan.size[plan.rank++] = 1;
  return plan;
}

namespace {

void flip_infer(InferContext& ctx) {
  checked_dim_mask(ctx, "the dimensions");
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

void flip_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  FlipPlan plan = flip_plan(args.attrs, x.shape());
  const int64_t n = plan.size[plan.rank - 1], rows = y.numel() / n;
  const bool backwards = plan.turned[plan.rank - 1];
  plan.rank -= 1;
  TG_DISPATCH_SIZE(y.dtype, T, {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    parallel_for(rows, grain_for(n, 16384), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* in = from + plan.source(row) * n;
        if (backwards)
          std::reverse_copy(in, in + n, to + row * n);
        else
          std::copy_n(in, n, to + row * n);
      }
    });
  });
}

}  // namespace

extern const OpDef flip_op;
const OpDef flip_op = {.name = "flip",
                       .inputs = {1, 1},
                       .attrs = {{"dims", AttrType::integers}},
                       .infer = flip_infer,
                       .cpu = flip_cpu,
                       .cuda = TILEGRAD_CUDA_KERNEL(flip_cuda)};

}  // namespace tilegrad
