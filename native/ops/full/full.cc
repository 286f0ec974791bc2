// full: a tensor of one value. Bytes moved: one write per element.
#include <algorithm>
#include <cmath>

#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

void full_cuda(KernelArgs& args);

namespace {

constexpr int64_t kGrain = 65536;

// The whole numbers that a dtype holds; i64 as far as a JavaScript number is exact.
void integer_range(DType dtype, double* least, double* most) {
  switch (dtype) {
    case DType::i32:
      *least = -2147483648.0, *most = 2147483647.0;
      return;
    case DType::i8:
      *least = -128, *most = 127;
      return;
    case DType::u8:
      *least = 0, *most = 255;
      return;
    case DType::boolean:
      *least = 0, *most = 1;
      return;
    default:
      *least = -static_cast<double>(kMaxNumel), *most = static_cast<double>(kMaxNumel);
      return;
  }
}

void full_infer(InferContext& ctx) {
  DType dtype = ctx.attrs.dtype("dtype");
  double value = ctx.attrs.number("value");
  if (!is_float(dtype)) {
    double least, most;
    integer_range(dtype, &least, &most);
    if (!(value >= least && value <= most) || value != std::floor(value))
      ctx.fail(ErrorCode::argument, "value ", value, " does not fit into ", dtype);
  }
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
