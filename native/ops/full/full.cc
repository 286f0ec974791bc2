// full: a tensor of one value. Bytes moved: one write per element.
#include <algorithm>

#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

void full_cuda(KernelArgs& args);

namespace {

constexpr int64_t kGrain = 65536;

void full_infer(InferContext& ctx) {
  DType dtype = ctx.attrs.dtype("dtype");
  double value = ctx.attrs.number("value");
  if (!holds(dtype, value))
    ctx.fail(ErrorCode::argument, "value ", value, " does not fit into ", dtype);
  ctx.output(ctx.attrs.integers("shape"), dtype);
}

void full_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  double value = args.attrs.number("value");
  TG_DISPATCH_ALL(out.dtype, T, {
    T* data = out.as<T>();
    T fill = static_cast<T>(static_cast<compute_t<T>>(value));
    parallel_for(out.numel(), kGrain,
                 [&](int64_t begin, int64_t end) { std::fill(data + begin, data + end, fill); });
  });
}

}  // namespace

extern const OpDef full_op;
const OpDef full_op = {.name = "full",
                       .inputs = {0, 0},
                       .attrs = {{"shape", AttrType::integers},
                                 {"value", AttrType::number},
                                 {"dtype", AttrType::dtype}},
                       .infer = full_infer,
                       .cpu = full_cpu,
                       .cuda = TILEGRAD_CUDA_KERNEL(full_cuda)};

}  // namespace tilegrad
