// Reductions over any dimensions.
#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

void sum_cuda(KernelArgs& args);

namespace {

void sum_infer(InferContext& ctx) {
  const Shape& shape = ctx.shape(0);
  int count;
  const int64_t* dims = ctx.attrs.integers("dims", &count);
  unsigned mask = 0;
  for (int i = 0; i < count; ++i) mask |= 1u << ctx.dim(dims[i], shape.rank);
  Shape out;
  for (int i = 0; i < shape.rank; ++i) {
    if (!(mask >> i & 1))
      out.push(shape[i]);
    else if (ctx.attrs.boolean("keepdim"))
      out.push(1);
  }
  ctx.output(out, ctx.dtype(0));
}

void sum_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  int count;
  const int64_t* dims = args.attrs.integers("dims", &count);
  unsigned mask = 0;
  for (int i = 0; i < count; ++i) mask |= 1u << (dims[i] < 0 ? dims[i] + x.layout.rank() : dims[i]);
  int64_t inner = 1;
  for (int d = 0; d < x.layout.rank(); ++d)
    if (mask >> d & 1) inner *= x.layout.shape[d];
  TG_DISPATCH_NUMBER(x.dtype, T, {
    parallel_for(out.numel(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        double total = 0;
        for (int64_t k = 0; k < inner; ++k) {
          int64_t at = x.layout.offset, oi = o, ki = k;
          for (int d = x.layout.rank() - 1; d >= 0; --d) {
            int64_t& index = mask >> d & 1 ? ki : oi;
            at += index % x.layout.shape[d] * x.layout.strides[d];
            index /= x.layout.shape[d];
          }
          total +=
              static_cast<double>(static_cast<compute_t<T>>(static_cast<const T*>(x.data)[at]));
        }
        out.as<T>()[o] = static_cast<T>(static_cast<compute_t<T>>(total));
      }
    });
  });
}

}  // namespace

extern const OpDef sum_op;
const OpDef sum_op = {.name = "sum",
                      .inputs = {1, 1},
                      .attrs = {{"dims", AttrType::integers}, {"keepdim", AttrType::boolean}},
                      .infer = sum_infer,
                      .cpu = sum_cpu,
                      .cuda = TILEGRAD_CUDA_KERNEL(sum_cuda),
                      .strided = true};

}  // namespace tilegrad
